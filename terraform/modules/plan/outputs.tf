output "subnets" {
  description = "By zone: the private and the public block."
  value       = { for zone, blocks in local.zone : zone => { private = blocks.private, public = blocks.public } }
}

output "gatherers" {
  description = "By id: zone, private address, size of the data disk in GiB, environment, user data."
  value = { for id, gatherer in local.gatherer : id => {
    zone        = gatherer.zone
    address     = gatherer.address
    disk_gib    = local.gatherer_disk_gib
    environment = local.gatherer_environment[id]
    user_data   = local.user_data[id]
  } }
}

output "deduplicator" {
  description = "Zone, private address, size of the data disk in GiB, environment, user data."
  value = {
    zone        = var.deduplicator_zone
    address     = local.deduplicator_address
    disk_gib    = local.deduplicator_disk_gib
    environment = local.deduplicator_environment
    user_data   = local.user_data["deduplicator"]
  }
}

output "parameters" {
  description = "By role: which parameters it may read, and under which folder."
  value = {
    gatherer     = [var.parameters.key_id, var.parameters.key_pem, var.parameters.grpc_ca, var.parameters.admin_token, "${var.parameters.clickhouse}/gatherer", "${var.parameters.grpc_folder}/*"]
    deduplicator = [var.parameters.grpc_ca, var.parameters.admin_token, "${var.parameters.clickhouse}/*", "${var.parameters.grpc_folder}/*"]
  }
}

output "log_group" {
  description = "Where the programs' logs go."
  value       = local.common.log_group
}
