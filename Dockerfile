# The server, for any of its processes: the web server unless told otherwise, `python manage.py worker` for the worker.

FROM python:3.13-slim AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /srv/shm
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY . .
RUN python -m compileall -q .
# The settings want a secret key; this one is for this step alone and is not kept.
RUN SHM_SECRET_KEY=for-this-step-of-the-build-alone SHM_DATA_DIR=/tmp SHM_STATIC_DIR=/srv/static python manage.py collectstatic --noinput --verbosity 0

FROM python:3.13-slim
RUN groupadd --gid 10001 shm && useradd --uid 10001 --gid shm --no-create-home --home-dir /data shm && install -d -o shm -g shm /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 SHM_DATA_DIR=/data SHM_STATIC_DIR=/srv/static
WORKDIR /srv/shm
USER shm
# The secret key unless SHM_SECRET_KEY is set, and the database if it is SQLite.
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-m", "shm_site.healthcheck"]
CMD ["gunicorn", "--config", "python:shm_site.gunicorn", "shm_site.wsgi"]
