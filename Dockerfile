# `taskprune serve` in a container; nothing else of the project needs this file. docs/serve.md says how to run it.
FROM python:3.12-slim
WORKDIR /source
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY schedules schedules
COPY pruning pruning
COPY maskrcnn maskrcnn
COPY experiments experiments
RUN pip install --no-cache-dir -c constraints.txt ".[serve]"
RUN useradd --create-home server
USER server
WORKDIR /home/server
EXPOSE 8000
HEALTHCHECK --start-period=120s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz')"]
# Inside the container it listens on every address; `docker run -p 127.0.0.1:8000:8000` opens it to this machine alone.
ENTRYPOINT ["taskprune", "serve", "--host", "0.0.0.0"]
