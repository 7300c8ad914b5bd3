//! `list`: the holes, oldest first.

use super::Tools;
use crate::config::Filter;
use crate::hole::Hole;
use crate::ledger;
use crate::table::{say, table};

pub(super) async fn run(tools: &Tools<'_>, filter: &Filter) -> anyhow::Result<()> {
    let holes = ledger::holes(&tools.store, filter).await?;
    say(tools.config.is_json, &holes, &text(&holes))
}

fn text(holes: &[Hole]) -> String {
    if holes.is_empty() {
        return "no holes (--state all looks at those that are settled too)".to_owned();
    }
    let head = ["HOLE", "FROM", "LASTED", "CAUSE", "STATE", "BY"].map(str::to_owned).to_vec();
    let row = |hole: &Hole| {
        vec![
            hole.id.clone(),
            hole.from.clone(),
            hole.lasted(),
            hole.cause.clone(),
            hole.state.to_owned(),
            hole.repaired_by.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(holes.iter().map(row)).collect();
    format!("{}{} holes", table(&rows), holes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hole::tests::hole;

    #[test]
    fn a_list_shows_one_line_a_hole() {
        let text = text(&[hole("KXA-1", 1_786_085_188, 1_786_085_200)]);
        assert_eq!(
            text,
            "HOLE       FROM                      LASTED  CAUSE                STATE  BY\n\
             KXA-1@0:7  2026-08-07T06:46:28.000Z  12.0 s  all_sessions_closed  open\n\
             1 holes"
        );
    }
}
