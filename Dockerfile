# The image holds the program and nothing to build it with; all that it keeps is in /data.

FROM python:3.12-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/octobot-backend
ENV PATH=/opt/octobot-backend/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# only what is locked, by its hash; without isolation nothing else is fetched for building.
# A lock file is complete: with --no-deps, pip of any age takes it as it is
COPY requirements requirements
RUN pip install --require-hashes -r requirements/build.lock \
 && pip install --require-hashes --no-deps --no-build-isolation -r requirements/octobot-2.1.lock
COPY setup.py pyproject.toml README.md LICENSE ./
COPY backend backend
RUN pip install --no-deps --no-build-isolation . && pip check

FROM python:3.12-slim-bookworm
RUN groupadd --gid 10001 octobot \
 && useradd --uid 10001 --gid octobot --no-create-home --home-dir /data --shell /usr/sbin/nologin octobot \
 && install --directory --owner octobot --group octobot --mode 700 /data
COPY --from=build /opt/octobot-backend /opt/octobot-backend
ENV PATH=/opt/octobot-backend/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BACKEND_ENV=production \
    BACKEND_HOST=0.0.0.0 \
    BACKEND_PORT=8000 \
    BACKEND_HOME=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# without the program's own imports, which take a second each time
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['BACKEND_PORT'] + '/healthz', timeout=4)"]
CMD ["octobot-backend", "run"]
