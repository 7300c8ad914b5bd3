# Who may talk to whom. No rule has a source outside the VPC; no rule opens SSH or a ClickHouse port to an address: only to a group.

resource "aws_security_group" "gatherer" {
  name        = "${var.name}-gatherer"
  description = "Gatherers: the deduplicator dials them, they dial the exchange"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${var.name}-gatherer" }
}

resource "aws_security_group" "deduplicator" {
  name        = "${var.name}-deduplicator"
  description = "The deduplicator and the canonical ClickHouse"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${var.name}-deduplicator" }
}

# For machines of researchers and of Prometheus; attached to them elsewhere.
resource "aws_security_group" "reader" {
  name        = "${var.name}-reader"
  description = "May query the canonical ClickHouse, the health endpoints and the metrics"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${var.name}-reader" }
}

locals {
  # from, to, port, what for
  allowed = {
    grpc         = { from = aws_security_group.deduplicator.id, to = aws_security_group.gatherer.id, port = 7070, why = "streams of frames, mutual TLS" }
    poll         = { from = aws_security_group.deduplicator.id, to = aws_security_group.gatherer.id, port = 8080, why = "health and polls" }
    scrape_own   = { from = aws_security_group.deduplicator.id, to = aws_security_group.gatherer.id, port = 9090, why = "metrics, for the runbooks' commands" }
    read_gather  = { from = aws_security_group.reader.id, to = aws_security_group.gatherer.id, port = 8080, why = "health" }
    scrape_gath  = { from = aws_security_group.reader.id, to = aws_security_group.gatherer.id, port = 9090, why = "metrics" }
    read_dedup   = { from = aws_security_group.reader.id, to = aws_security_group.deduplicator.id, port = 8080, why = "status page, health, books" }
    scrape_dedup = { from = aws_security_group.reader.id, to = aws_security_group.deduplicator.id, port = 9090, why = "metrics" }
    query        = { from = aws_security_group.reader.id, to = aws_security_group.deduplicator.id, port = 8123, why = "ClickHouse over HTTP for researchers" }
  }
  # Out: TLS to the exchange and to AWS. EC2's clock and name service need no rule.
  groups = { gatherer = aws_security_group.gatherer.id, deduplicator = aws_security_group.deduplicator.id }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each                     = local.allowed
  security_group_id            = each.value.to
  referenced_security_group_id = each.value.from
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.why
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = local.groups
  security_group_id = each.value
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "the exchange, the parameter store, S3, CloudWatch"
}

resource "aws_vpc_security_group_egress_rule" "streams" {
  for_each                     = { for name, rule in local.allowed : name => rule if contains(["grpc", "poll", "scrape_own"], name) }
  security_group_id            = aws_security_group.deduplicator.id
  referenced_security_group_id = aws_security_group.gatherer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.why
}
