"""All checks, in the order in which they are printed."""

from ncsn.doctor import machine, project
from ncsn.doctor.lines import Check

CHECKS = (
    Check("Python", machine.python),
    Check("packages", machine.packages),
    Check("params", project.params),
    Check("data", project.data),
    Check("weights", project.weights),
    Check("git", project.git),
    Check("DVC", project.dvc),
    Check("DVC's cache", project.cache),
    Check("MLflow's store", project.store),
    Check("studies", project.studies),
    Check("CPU", machine.cpu),
    Check("GPU", machine.gpu),
    Check("C++ compiler", machine.compiler),
    Check("memory", machine.memory),
    Check("disk", machine.disk),
    Check("port", machine.port),
)
