//! What deliveries have in a cluster, as tables.

use crate::progress::health_style;
use crate::terminal::{Painter, Style, printable, table};
use delivery::{DeliverySummary, ObjectHealth, Status};

/// A delivery's objects with their health.
pub(crate) fn status(status: &Status, painter: Painter) -> String {
    let health = painter.paint(health_style(status.health), &status.health.to_string());
    let mut text = format!("{}: {health}", painter.paint(Style::Bold, &status.delivery));
    if !status.source.is_empty() {
        text.push_str(&format!(", from {}", printable(&status.source)));
    }
    text.push('\n');
    if !status.objects.is_empty() {
        text.push('\n');
        text.push_str(&objects(&status.objects, painter));
    }
    text
}

/// Objects with their health, as rows.
pub(crate) fn objects(list: &[ObjectHealth], painter: Painter) -> String {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|object| {
            vec![
                printable(&object.object.to_string()),
                painter.paint(health_style(object.status), &object.status.to_string()),
                printable(&object.message).replace('\n', " "),
            ]
        })
        .collect();
    table(&["OBJECT", "HEALTH", "MESSAGE"], &rows)
}

/// All deliveries of a cluster.
pub(crate) fn deliveries(list: &[DeliverySummary]) -> String {
    if list.is_empty() {
        return "no deliveries found\n".to_owned();
    }
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|delivery| {
            vec![
                printable(&delivery.name),
                printable(&delivery.inventory_namespace),
                delivery.objects.to_string(),
                printable(&delivery.source),
            ]
        })
        .collect();
    table(&["NAME", "NAMESPACE", "OBJECTS", "SOURCE"], &rows)
}
