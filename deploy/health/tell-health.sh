#!/bin/bash
# Tells CloudWatch how this machine and its program are; kalshi-tell-health.timer runs it once a minute. No word at all is an alarm too.
#
#   ROLE=deduplicator NODE=deduplicator HEALTH_ADDR=10.0.0.100:8080 AWS_REGION=us-east-1 tell-health.sh
set -euo pipefail
# Where Ubuntu's snap puts the AWS command.
PATH=$PATH:/snap/bin
volume=${DATA_VOLUME:-/var/lib/kalshi}
state=${BACKUP_STATE:-/var/lib/kalshi-backup}
of="Dimensions=[{Name=Node,Value=$NODE}]"

not_healthy=0
"kalshi-$ROLE" health --http-addr "$HEALTH_ADDR" > /dev/null || not_healthy=1
disk=$(df --output=pcent "$volume" | tail -1 | tr -dc 0-9)
metrics=("MetricName=NotHealthy,$of,Value=$not_healthy" "MetricName=DiskUsedPercent,$of,Value=$disk,Unit=Percent")
if [ "$ROLE" = deduplicator ]; then
    # Before the first backup its age is that of the settings: a new machine has a night's time.
    made=$state/last-success
    [ -e "$made" ] || made=${BACKUP_SETTINGS:-/etc/kalshi/backup.env}
    hours=$((($(date +%s) - $(stat --format=%Y "$made")) / 3600))
    metrics+=("MetricName=BackupAgeHours,$of,Value=$hours")
fi
aws cloudwatch put-metric-data --region "$AWS_REGION" --namespace KalshiCapture --metric-data "${metrics[@]}"
