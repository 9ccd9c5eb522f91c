# syntax=docker/dockerfile:1
# The command, the HTTP service and the worker, for CPUs. `docker build -t nearclass .`, then for example
# `docker run --rm nearclass --help`. docker-compose.yml runs it beside Milvus.
FROM python:3.13-slim-trixie AS build

# Where pip finds CPU builds of torch and torchvision; without it they are the default ones, with CUDA.
ARG PIP_EXTRA_INDEX_URL=""
ARG EXTRAS="minilm,serve,worker"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN python -m venv /opt/nearclass
WORKDIR /build
COPY . .
RUN /opt/nearclass/bin/pip install -c constraints.txt ".[${EXTRAS}]"

FROM python:3.13-slim-trixie

# A number and not only a name, so that a cluster can see that it is not root.
RUN useradd --uid 10001 --home-dir /srv/nearclass --create-home nearclass && install -d -o nearclass -g nearclass /srv/nearclass/.cache
COPY --from=build /opt/nearclass /opt/nearclass
ENV PATH=/opt/nearclass/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /srv/nearclass

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-m", "nearclass.health.alive", "http://127.0.0.1:8000/healthz"]
EXPOSE 8000
ENTRYPOINT ["nearclass"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
