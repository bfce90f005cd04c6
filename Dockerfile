# One recipe for every pod: docker build --build-arg SERVICE=router .
FROM python:3.11-slim AS build
WORKDIR /src
COPY libs libs
COPY services services
COPY tools tools
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels libs/* services/* tools/*

FROM python:3.11-slim
ARG SERVICE=router
COPY requirements.lock /
RUN python -m pip install --no-cache-dir --require-hashes -r /requirements.lock
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --no-deps /wheels/*.whl && rm -r /wheels \
 && useradd --system --create-home --uid 10001 joelclaw
USER joelclaw
ENV SERVICE=${SERVICE} JOELCLAW_HTTP_HOST=0.0.0.0 JOELCLAW_HTTP_PORT=8080
EXPOSE 8080
# exec: the service itself is PID 1, so that a stop reaches it.
CMD ["sh", "-c", "exec joelclaw-$SERVICE"]
