#!/usr/bin/env python3
"""Runs a rendered first-boot script on a machine of paper: this one's system folders with a layer over them that is thrown away, and
stand-ins for what only EC2 has (the AWS command, volumes, systemd, packages). It must end well, leave the files that the units read, and
end badly whichever secret the store does not give or gives empty.

    first_boot.py ROLE SCRIPT RELEASE_FOLDER      as root, where the kernel has overlayfs and unshare may be used; else it says so
"""
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LAYERED = ("/etc", "/var", "/usr/local", "/usr/lib/sysusers.d", "/usr/share", "/opt", "/root")
# What is not here. `aws` fails for the parameter in MISSING and says nothing for the one in EMPTY.
STUBS = {
    "aws": r'''case "$1 $2" in
"s3 cp") cp "$RELEASE" release.tar.gz ;;
"ssm get-parameter")
    while [ "$1" != --name ]; do shift; done
    [ "$2" != "$MISSING" ] || { echo ParameterNotFound >&2; exit 254; }
    [ "$2" != "$EMPTY" ] || exit 0
    echo "secret of $2" ;;
*) exit 64 ;;
esac''',
    "blkid": 'case "$*" in *value*) echo 0000-0000 ;; esac; exit 0',
    "mountpoint": "exit 1",
    **{name: f'echo "{name} $*" >> "$DID"' for name in ("mkfs.xfs", "mount", "xfs_growfs", "snap", "dpkg", "systemctl")},
}


def run(folder, script, missing="", empty=""):
    """Exit code, what it printed, and the files of the machine that it left."""
    machine = tempfile.mkdtemp(dir=folder)
    stubs = pathlib.Path(machine, "stubs")
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(f"#!/bin/bash\n{text}\n")
        (stubs / name).chmod(0o755)
    text = script.replace("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_@VOLUME@", f"{machine}/disk").replace("seq 120", "seq 1")
    pathlib.Path(machine, "boot").write_text(text)
    pathlib.Path(machine, "disk").touch()
    lines = ["set -e"]
    for number, layer in enumerate(LAYERED):
        upper, work = f"{machine}/up{number}", f"{machine}/work{number}"
        lines.append(f"mkdir -p {layer} {upper} {work}; mount -t overlay overlay -o lowerdir={layer},upperdir={upper},workdir={work} {layer}")
    lines += ["mkdir -p /opt/aws/amazon-cloudwatch-agent/bin",
              "printf '#!/bin/bash\\necho \"agent $*\" >> \"$DID\"\\n' > /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl",
              "chmod 0755 /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl",
              f"export PATH={stubs}:$PATH TMPDIR={machine}", f"cd {machine}", f"bash {machine}/boot"]
    environment = os.environ | {"RELEASE": f"{folder}/release.tar.gz", "DID": f"{machine}/did", "MISSING": missing, "EMPTY": empty}
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join(lines)],
                          env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr, Machine(machine)


class Machine:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def file(self, path):
        layer = max((number for number, name in enumerate(LAYERED) if path.startswith(name + "/")), key=lambda number: len(LAYERED[number]))
        return self.folder / f"up{layer}" / path.removeprefix(LAYERED[layer] + "/")

    def settings(self, path):
        """The file, as a shell reads it: NAME to value."""
        read = subprocess.run(["env", "-i", "bash", "-c", f"set -a; . {self.file(path)}; env -0"], capture_output=True, text=True, check=True)
        return dict(line.split("=", 1) for line in read.stdout.split("\0") if line)

    def did(self):
        return (self.folder / "did").read_text()


def problems(role, script, folder):
    code, said, machine = run(folder, script)
    if code:
        yield f"it fails: {said[-1500:]}"
        return
    settings = machine.settings(f"/etc/kalshi/{role}.env")
    if settings["CLICKHOUSE_PASSWORD"] != f"secret of /k/clickhouse/{role}" or settings["ADMIN_TOKEN"] != "secret of /k/admin":
        yield f"{role}.env: the secrets are not in it"
    hashes = machine.settings("/etc/kalshi/clickhouse.env")
    if hashes[f"KALSHI_{role.upper()}_SHA256"] != hashlib.sha256(f"secret of /k/clickhouse/{role}".encode()).hexdigest():
        yield "clickhouse.env: not the hash of the program's password"
    wanted = set(re.findall(r'from_env="(\w+)"', "".join(machine.file(f"/etc/clickhouse-server/{part}.d/kalshi.xml").read_text() for part in ("users", "config"))))
    if not wanted or wanted - set(hashes):
        yield f"clickhouse.env: {wanted - set(hashes)} are missing, and the server would not start"
    ops = machine.settings("/etc/kalshi/ops.env")
    if not ops["GATHERERS_METRICS"].startswith("http://") or " " not in ops["GATHERERS_METRICS"]:
        yield f"ops.env: {ops['GATHERERS_METRICS']}"
    for path, mode in (("/etc/kalshi", 0o700), (f"/etc/kalshi/{role}.env", 0o600), ("/etc/kalshi/clickhouse.env", 0o600), ("/etc/kalshi/keys/grpc.key", 0o600),
                       ("/usr/local/lib/kalshi-capture/ops.sh", 0o755), ("/usr/local/lib/kalshi-capture/tell-health.sh", 0o755),
                       (f"/etc/systemd/system/kalshi-{role}.service", 0o644), ("/etc/systemd/system/clickhouse-server.service.d/kalshi.conf", 0o644)):
        if machine.file(path).stat().st_mode & 0o777 != mode:
            yield f"{path}: mode {machine.file(path).stat().st_mode & 0o777:o}, not {mode:o}"
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in machine.file("/etc/passwd").read_text().splitlines()}
    for name in (f"kalshi-{role}", "clickhouse"):
        owner = machine.file(f"/var/lib/{name}").stat().st_uid
        if owner != users.get(name):
            yield f"/var/lib/{name} belongs to {owner}, not to {name}"
    did = machine.did()
    told, started = did.find("kalshi-tell-health.timer"), did.find(f"systemctl enable --now kalshi-{role}\n")
    if not 0 <= told < started:
        yield "the program is started before anybody would be told that it does not start"
    if role == "deduplicator" and not 0 <= did.find("kalshi-backup.timer") < started:
        yield "the backup's timer waits for the deduplicator"
    if "agent -a fetch-config" not in did or '"/kalshi/programs"' not in machine.file("/etc/kalshi-logs/cloudwatch-agent.json").read_text():
        yield "no logs are shipped"
    for line in machine.file("/etc/fstab").read_text().splitlines():
        if "/var/lib/" in line and "nofail" not in line:
            yield f"fstab: {line}"
    for name in sorted(set(re.findall(r'(?:secret|word) "?(/[\w/.-]+)', script))):
        for how in ("missing", "empty"):
            code, said, _ = run(folder, script, **{how: name})
            if code == 0:
                yield f"{name} is {how}, and the machine starts all the same"


def main():
    role, script, release = sys.argv[1:4]
    usable = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0 and "overlay" in pathlib.Path("/proc/filesystems").read_text()
    if os.geteuid() != 0 or not usable:
        print(f"first boot of a {role}: SKIPPED, needs root, unshare and overlayfs")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        subprocess.run(["tar", "--create", "--gzip", f"--file={folder}/release.tar.gz", f"--directory={release}", "."], check=True)
        digest = hashlib.sha256(pathlib.Path(f"{folder}/release.tar.gz").read_bytes()).hexdigest()
        text = pathlib.Path(script).read_text().replace("0" * 64, digest)
        wrong = list(problems(role, text, folder))
    for problem in wrong:
        print(f"problem: first boot of a {role}: {problem}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"first boot of a {role}: ends well, and badly whichever secret is missing or empty")


if __name__ == "__main__":
    main()
