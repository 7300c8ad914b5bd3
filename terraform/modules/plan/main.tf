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
  # The spool twice over: a deduplicator may be away for as long as the retention. Raw frames stay three days, events a week.
  spool_gib         = ceil(var.deltas_per_second * 3600 * var.retention_hours * local.bytes.spool * 2 / local.gib)
  gatherer_disk_gib = max(50, ceil((local.spool_gib + local.per_day * (3 * local.bytes.raw_frame + 7 * local.bytes.clickhouse) / local.gib) * 1.4))
  # A day of journal for a store that is away, the hot days, and half as much again for merges.
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
    GATHERERS           = join(",", [for id in sort(keys(local.gatherer)) : "${id}=https://${local.gatherer[id].address}:7070"])
    CLICKHOUSE_URL      = "http://127.0.0.1:8123"
    CLICKHOUSE_USER     = "kalshi_deduplicator"
    CLICKHOUSE_DATABASE = "kalshi"
    PARQUET_DIR         = "s3://${var.archive_bucket}/v1"
    AWS_REGION          = var.region
    HTTP_ADDR           = "${local.deduplicator_address}:8080"
    METRICS_ADDR        = "${local.deduplicator_address}:9090"
  }

  common = {
    region         = var.region
    release        = var.release
    parameters     = var.parameters
    backup_bucket  = var.backup_bucket
    clickhouse_env = ["GATHERER", "DEDUPLICATOR", "BACKUP", "RESEARCHER", "ADMIN"]
  }
  user_data = merge(
    { for id, gatherer in local.gatherer : id => templatefile("${path.module}/templates/user-data.sh.tftpl", merge(local.common, {
      role        = "gatherer"
      identity    = id
      address     = gatherer.address
      environment = local.gatherer_environment[id]
    })) },
    { deduplicator = templatefile("${path.module}/templates/user-data.sh.tftpl", merge(local.common, {
      role        = "deduplicator"
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
