# BuildKit without root, as its own image moby/buildkit:rootless is laid out, from its Go module and Debian's packages. What maps
# the users has a file capability in the place of its setuid bit: as root without CAP_SYS_ADMIN, which no pod has, the
# kernel would not let it.
ARG BASE=debian:bookworm-slim
FROM $BASE
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends runc uidmap libcap2-bin ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/share/doc/* /usr/share/man/* \
 && chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap \
 && setcap cap_setuid=ep /usr/bin/newuidmap \
 && setcap cap_setgid=ep /usr/bin/newgidmap \
 && useradd --uid 1000 --create-home user \
 && echo user:100000:65536 | tee /etc/subuid > /etc/subgid \
 && mkdir -p /run/user/1000 /home/user/.local/tmp /home/user/.local/share/buildkit \
 && chown -R user:user /run/user/1000 /home/user
COPY buildkitd buildctl rootlesskit buildctl-daemonless.sh /usr/local/bin/
ENV HOME=/home/user USER=user XDG_RUNTIME_DIR=/run/user/1000 TMPDIR=/home/user/.local/tmp
USER 1000:1000
ENTRYPOINT ["rootlesskit", "buildkitd"]
