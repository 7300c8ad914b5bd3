# The logic of the fleet, without a cloud: terraform -chdir=terraform/modules/plan test

variables {
  name              = "kalshi"
  region            = "us-east-1"
  vpc_cidr          = "10.0.0.0/16"
  zones             = ["us-east-1a", "us-east-1b", "us-east-1c"]
  gatherers         = { east = { zone = "us-east-1a" }, west = { zone = "us-east-1b" }, north = { zone = "us-east-1c" } }
  deduplicator_zone = "us-east-1a"
  archive_bucket    = "kalshi-archive"
  backup_bucket     = "kalshi-backup"
  release           = { bucket = "kalshi-release", key = "1/kalshi.tar.gz", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  parameters = {
    key_id      = "/kalshi/key-id", key_pem = "/kalshi/key-pem", grpc_ca = "/kalshi/grpc/ca.pem", grpc_folder = "/kalshi/grpc",
    admin_token = "/kalshi/admin-token", clickhouse = "/kalshi/clickhouse"
  }
}

run "addresses_are_fixed_and_apart" {
  command = plan
  assert {
    condition     = output.gatherers["east"].address == "10.0.0.10" && output.gatherers["west"].address == "10.0.16.10" && output.deduplicator.address == "10.0.0.100"
    error_message = "a replaced machine must find its predecessor's address"
  }
  assert {
    condition     = length(distinct(flatten([for blocks in values(output.subnets) : [blocks.private, blocks.public]]))) == 6
    error_message = "subnets overlap"
  }
}

run "each_polls_books_in_its_own_third" {
  command = plan
  assert {
    condition     = [for id in ["east", "west", "north"] : output.gatherers[id].environment.POLL_SLOT] == ["1/3", "2/3", "3/3"]
    error_message = "polls of one book must be spread over the time between two"
  }
  assert {
    condition     = strcontains(output.gatherers["west"].user_data, "echo 'POLL_SLOT=2/3'")
    error_message = "the slot must reach the machine"
  }
}

run "polls_that_meet_are_told" {
  command = plan
  variables {
    gatherers = { east = { zone = "us-east-1a" }, east-2 = { zone = "us-east-1a" }, west = { zone = "us-east-1b" } }
  }
  expect_failures = [check.polls_are_spread]
}

run "a_wrong_slot_is_refused" {
  command = plan
  variables {
    gatherers = { east = { zone = "us-east-1a", poll_slot = "4/3" }, west = { zone = "us-east-1b" } }
  }
  expect_failures = [var.gatherers]
}

run "two_gatherers_in_a_zone_have_two_addresses" {
  command = plan
  variables {
    gatherers = { east = { zone = "us-east-1a" }, east-2 = { zone = "us-east-1a", poll_slot = "3/3" }, west = { zone = "us-east-1b" } }
  }
  assert {
    condition     = output.gatherers["east"].address != output.gatherers["east-2"].address
    error_message = "two machines, one address"
  }
}

run "the_deduplicator_dials_every_gatherer_by_tls" {
  command = plan
  assert {
    condition     = output.deduplicator.environment.GATHERERS == "east=https://10.0.0.10:7070,north=https://10.0.32.10:7070,west=https://10.0.16.10:7070"
    error_message = output.deduplicator.environment.GATHERERS
  }
}

run "disks_grow_with_the_rate" {
  command = plan
  variables {
    deltas_per_second = 10000
  }
  assert {
    condition     = output.gatherers["east"].disk_gib > 400 && output.deduplicator.disk_gib > 1000
    error_message = "10,000 a second for a day need more than that"
  }
  assert {
    condition     = tonumber(output.gatherers["east"].environment.SPOOL_QUOTA_BYTES) < output.gatherers["east"].disk_gib * 1024 * 1024 * 1024
    error_message = "the spool's quota must leave room on its disk"
  }
}

run "sizes_follow_the_days" {
  command = plan
  variables {
    retention_hours = 48
    hot_days        = 365
  }
  assert {
    condition     = output.gatherers["east"].environment.RETENTION == "48h" && output.deduplicator.disk_gib > 900
    error_message = "two days of spool, a year of events"
  }
}

run "what_the_machines_are_told_follows_the_network" {
  command = plan
  variables {
    vpc_cidr = "172.20.0.0/16"
  }
  assert {
    condition     = strcontains(output.deduplicator.user_data, "KALSHI_PRIVATE_NETWORK=172.20.0.0/16") && strcontains(output.deduplicator.environment.GATHERER_ADMIN, "east=http://172.20.0.10:8080")
    error_message = "researchers come from the VPC's own addresses"
  }
}

run "no_secret_is_in_user_data" {
  command = plan
  assert {
    condition     = strcontains(output.gatherers["east"].user_data, "secret \"/kalshi/key-pem\"") && !strcontains(output.deduplicator.user_data, "/kalshi/key-pem")
    error_message = "the exchange's key is fetched by gatherers only, by name"
  }
  assert {
    condition     = strcontains(output.deduplicator.user_data, "kalshi-backup.timer") && !strcontains(output.gatherers["west"].user_data, "kalshi-backup.timer")
    error_message = "only the canonical server is backed up"
  }
}

run "a_gatherer_may_not_read_others_passwords" {
  command = plan
  assert {
    condition     = !contains(output.parameters.gatherer, "/kalshi/clickhouse/*")
    error_message = "a gatherer reads its own ClickHouse password only"
  }
}

run "one_gatherer_is_refused" {
  command = plan
  variables {
    gatherers = { east = { zone = "us-east-1a" } }
  }
  expect_failures = [var.gatherers]
}

run "an_unknown_zone_is_refused" {
  command = plan
  variables {
    deduplicator_zone = "us-east-1f"
  }
  expect_failures = [var.deduplicator_zone]
}

run "user_data_fits" {
  command = plan
  assert {
    condition     = alltrue([for node in concat(values(output.gatherers), [output.deduplicator]) : length(node.user_data) < 16000])
    error_message = "EC2 takes 16 KiB"
  }
}

run "all_in_one_zone_is_told" {
  command = plan
  variables {
    gatherers = { a = { zone = "us-east-1a" }, b = { zone = "us-east-1a" } }
  }
  expect_failures = [check.gatherers_are_spread, check.polls_are_spread]
}

run "an_unchecked_release_is_refused" {
  command = plan
  variables {
    release = { bucket = "b", key = "k", sha256 = "latest" }
  }
  expect_failures = [var.release]
}

run "a_small_block_is_refused" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/24"
  }
  expect_failures = [var.vpc_cidr]
}
