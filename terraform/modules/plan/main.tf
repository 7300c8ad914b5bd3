# Decides names, addresses, sizes and what each machine is told. Creates nothing.

locals {
  # A /20 or larger block in sixteenths: private subnets first, then public ones.
  bits = 4
  zone = { for index, zone in var.zones : zone => {
    index   = index
    private = cidrsubnet(var.vpc_cidr, local.bits, index)
    public  = cidrsubnet(var.vpc_cidr, local.bits, index + 8)
  } }

  # Fixed private addresses: a replaced machine has its predecessor's, so that nobody has to be told.
  in_zone = { for zone in var.zones : zone => sort([for id, gatherer in var.gatherers : id if gatherer.zone == zone]) }
  gatherer = { for id, gatherer in var.gatherers : id => {
    zone    = gatherer.zone
    address = cidrhost(local.zone[gatherer.zone].private, 10 + index(local.in_zone[gatherer.zone], id))
    # By zone and not by the number of gatherers: another gatherer must not change the first boot of all others.
    poll_slot = coalesce(gatherer.poll_slot, "${local.zone[gatherer.zone].index + 1}/${length(var.zones)}")
  } }
  deduplicator_address = cidrhost(local.zone[var.deduplicator_zone].private, 100)

  # Measured bytes (deploy/README.md): a frame in the spool with its header, an event in ClickHouse, in Parquet, in the journal.
  bytes   = { spool = 270, clickhouse = 12, parquet = 11, journal = 150, raw_frame = 40 }
  per_day = var.deltas_per_second * 86400
  gib     = 1024 * 1024 * 1024
  # The spool twice over: a deduplicator may be away for as long as the retention. Raw frames stay three days, events a week (the tables'
  # TTL, schema/migrations/gatherer), and a day is dropped whole: a day more of each.
  spool_gib         = ceil(var.deltas_per_second * 3600 * var.retention_hours * local.bytes.spool * 2 / local.gib)
  gatherer_disk_gib = max(50, ceil((local.spool_gib + local.per_day * (4 * local.bytes.raw_frame + 8 * local.bytes.clickhouse) / local.gib) * 1.4))
  # A day of journal for a store that is away, the hot days, and half as much again for merges. Nothing drops a day that is older: the
  # disk's alarm tells a person, who checks the archive first (runbooks/DiskUsageHigh.md).
  deduplicator_disk_gib = max(100, ceil(local.per_day * (local.bytes.journal + var.hot_days * local.bytes.clickhouse + local.bytes.parquet) / local.gib * 1.5))

  gatherer_environment = { for id, gatherer in local.gatherer : id => {
    GATHERER_ID         = id
    MARKET_TICKERS      = var.market_tickers
    POLL_SLOT           = gatherer.poll_slot
    CLICKHOUSE_URL      = "http://127.0.0.1:8123"
    CLICKHOUSE_USER     = "kalshi_gatherer"
    CLICKHOUSE_DATABASE = "kalshi"
    GRPC_ADDR           = "${gatherer.address}:7070"
    HTTP_ADDR           = "${gatherer.address}:8080"
    METRICS_ADDR        = "${gatherer.address}:9090"
    RETENTION           = "${var.retention_hours}h"
    SPOOL_QUOTA_BYTES   = tostring(local.spool_gib * local.gib)
  } }
  deduplicator_environment = {
    # Here and not in the unit alone: gap-recovery reads these settings too, and GATHERER_ADMIN is its own.
    DATA_DIR            = "/var/lib/kalshi-deduplicator"
    GATHERER_ADMIN      = join(",", [for id in sort(keys(local.gatherer)) : "${id}=http://${local.gatherer[id].address}:8080"])
    GATHERERS           = join(",", [for id in sort(keys(local.gatherer)) : "${id}=https://${local.gatherer[id].address}:7070"])
    CLICKHOUSE_URL      = "http://127.0.0.1:8123"
    CLICKHOUSE_USER     = "kalshi_deduplicator"
    CLICKHOUSE_DATABASE = "kalshi"
    PARQUET_DIR         = "s3://${var.archive_bucket}/v1"
    AWS_REGION          = var.region
    HTTP_ADDR           = "${local.deduplicator_address}:8080"
    METRICS_ADDR        = "${local.deduplicator_address}:9090"
  }

  # What the runbooks' commands use (deploy/env/ops.env has the same names).
  ops = {
    DEDUPLICATOR_HTTP    = "http://${local.deduplicator_address}:8080"
    DEDUPLICATOR_METRICS = "http://${local.deduplicator_address}:9090"
    GATHERERS_HTTP       = join(" ", [for id in sort(keys(local.gatherer)) : "http://${local.gatherer[id].address}:8080"])
    GATHERERS_METRICS    = join(" ", [for id in sort(keys(local.gatherer)) : "http://${local.gatherer[id].address}:9090"])
    CLICKHOUSE           = "http://${local.deduplicator_address}:8123/?database=kalshi"
    GATHERER_DATA        = "/var/lib/kalshi-gatherer"
    DEDUPLICATOR_DATA    = "/var/lib/kalshi-deduplicator"
    PARQUET_DIR          = "s3://${var.archive_bucket}/v1"
    REST_URL             = "https://external-api.kalshi.com/trade-api/v2"
    LOG_DIR              = ""
  }
  # The gatherer that a page speaks of: this machine's, elsewhere the first.
  ops_of = { for id, address in merge({ for id, gatherer in local.gatherer : id => gatherer.address }, { deduplicator = local.gatherer[sort(keys(local.gatherer))[0]].address }) : id => merge(local.ops, {
    GATHERER_HTTP    = "http://${address}:8080"
    GATHERER_METRICS = "http://${address}:9090"
    # It answers on its own machine only.
    GATHERER_CLICKHOUSE = "http://${id == "deduplicator" ? address : "127.0.0.1"}:8123/?database=kalshi"
  }) }

  common = {
    region         = var.region
    vpc_cidr       = var.vpc_cidr
    log_group      = "/${var.name}/programs"
    release        = var.release
    parameters     = var.parameters
    backup_bucket  = var.backup_bucket
    clickhouse_env = ["GATHERER", "DEDUPLICATOR", "BACKUP", "RESEARCHER", "ADMIN"]
  }
  user_data = merge(
    { for id, gatherer in local.gatherer : id => templatefile("${path.module}/templates/user-data.sh.tftpl", merge(local.common, {
      role        = "gatherer"
      folders     = ["kalshi-gatherer", "clickhouse"]
      ops         = local.ops_of[id]
      identity    = id
      address     = gatherer.address
      environment = local.gatherer_environment[id]
    })) },
    { deduplicator = templatefile("${path.module}/templates/user-data.sh.tftpl", merge(local.common, {
      role    = "deduplicator"
      folders = ["kalshi-deduplicator", "kalshi-backup", "clickhouse"]
      # Its ClickHouse lets the administrator in on the loopback only.
      ops         = merge(local.ops_of["deduplicator"], { CLICKHOUSE = "http://127.0.0.1:8123/?database=kalshi" })
      identity    = "deduplicator"
      address     = local.deduplicator_address
      environment = local.deduplicator_environment
    })) },
  )
}

check "gatherers_are_spread" {
  assert {
    condition     = length(distinct([for gatherer in values(var.gatherers) : gatherer.zone])) >= min(length(var.gatherers), 2)
    error_message = "all gatherers are in one zone: they would be lost together."
  }
}

check "polls_are_spread" {
  assert {
    condition     = length(distinct([for gatherer in values(local.gatherer) : gatherer.poll_slot])) == length(local.gatherer)
    error_message = "two gatherers poll books at the same moments: give them a poll_slot each, as 1/4 to 4/4."
  }
}
