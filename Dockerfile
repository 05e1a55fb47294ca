# The pipeline on a CPU: docker build -t ncsn . && docker run --rm -v "$PWD/reports:/ncsn/reports" ncsn
FROM python:3.11-slim
# git is asked for commits, make runs the commands, g++ compiles norms where the processor has bf16
RUN apt-get update && apt-get install -y --no-install-recommends g++ git make && rm -rf /var/lib/apt/lists/*
WORKDIR /ncsn
COPY . .
RUN make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
CMD ["make", "repro"]
