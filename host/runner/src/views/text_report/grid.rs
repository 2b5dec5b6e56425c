//! Rows in columns that fit.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::text::visible::visible;
use crate::views::layout::Rows;

/// Between two columns.
const GAP: usize = 2;

/// A column of texts that must be narrower than this is no use: each row becomes a block of lines instead.
const NARROWEST: usize = 8;

/// Rows as lines of text.
#[derive(Debug, Default)]
pub(super) struct CellLines {
    pub(super) text: Vec<String>,
    /// Whether the first names the columns.
    pub(super) header: bool,
    /// Whether something was cut.
    pub(super) cut: bool,
}

/// The rows below their header, each line at most this wide.
pub(super) fn lay_out(rows: &Rows<'_>, width: Option<usize>) -> CellLines {
    if rows.columns.is_empty() {
        return CellLines::default();
    }
    let columns = rows.columns.iter();
    let header: Vec<Cow<'_, str>> = columns.map(|c| visible(c.name).to_uppercase().into()).collect();
    let cells: Vec<Vec<Cow<'_, str>>> = rows.cells().map(|row| row.map(shown).collect()).collect();
    let mut natural: Vec<usize> = header.iter().map(|name| name.width()).collect();
    for row in &cells {
        for (width, cell) in natural.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    // Half a number would be another number.
    let columns = natural.iter().zip(&rows.columns);
    let least: Vec<usize> = columns
        .map(|(natural, column)| {
            if column.numeric {
                *natural
            } else {
                (*natural).min(NARROWEST)
            }
        })
        .collect();
    match widths(&natural, &least, width) {
        Some(widths) => as_table(rows, &header, &cells, &widths),
        None => as_blocks(&header, &cells, width),
    }
}

/// Returns a cell with hidden characters made visible. Most cells have none and are not copied.
fn shown(cell: Cow<'_, str>) -> Cow<'_, str> {
    match cell {
        Cow::Borrowed(text) => visible(text),
        Cow::Owned(text) => visible(&text).into_owned().into(),
    }
}

/// The width of each column: what it needs, or, where that is too much, the wide ones as wide as each other. None when
/// the columns are too many.
fn widths(natural: &[usize], least: &[usize], width: Option<usize>) -> Option<Vec<usize>> {
    let gaps = GAP * (natural.len() - 1);
    let Some(room) = width.map(|width| width.saturating_sub(gaps)) else {
        return Some(natural.to_vec());
    };
    if natural.iter().sum::<usize>() <= room {
        return Some(natural.to_vec());
    }
    // From the narrowest column on, each takes what it needs or its share of what is left.
    let mut order: Vec<usize> = (0..natural.len()).collect();
    order.sort_by_key(|column| natural[*column]);
    let (mut widths, mut left) = (vec![0; natural.len()], room);
    for (taken, column) in order.iter().enumerate() {
        let share = left / (natural.len() - taken);
        widths[*column] = natural[*column].min(share);
        left -= widths[*column];
        if widths[*column] < least[*column] {
            return None;
        }
    }
    Some(widths)
}

fn as_table(rows: &Rows<'_>, header: &[Cow<'_, str>], cells: &[Vec<Cow<'_, str>>], widths: &[usize]) -> CellLines {
    let mut shown = CellLines {
        header: true,
        ..CellLines::default()
    };
    for row in std::iter::once(header).chain(cells.iter().map(Vec::as_slice)) {
        let columns = row.iter().zip(&rows.columns).zip(widths);
        let cells: Vec<String> = columns
            .map(|((cell, column), width)| {
                let text = cut(cell, *width, &mut shown.cut);
                // The formatter counts characters, which is not how wide they are.
                let padding = " ".repeat(width.saturating_sub(text.width()));
                if column.numeric {
                    format!("{padding}{text}")
                } else {
                    format!("{text}{padding}")
                }
            })
            .collect();
        shown
            .text
            .push(cells.join(&" ".repeat(GAP)).trim_end_matches(' ').to_owned());
    }
    shown
}

fn as_blocks(header: &[Cow<'_, str>], cells: &[Vec<Cow<'_, str>>], width: Option<usize>) -> CellLines {
    let mut shown = CellLines::default();
    let number = cells.len().to_string().len();
    let name = header.iter().map(|name| name.width()).max().unwrap_or(0);
    let room = width.map_or(usize::MAX, |width| {
        width.saturating_sub(number + name + 2 * GAP).max(NARROWEST)
    });
    for (index, row) in cells.iter().enumerate() {
        let mut ordinal = (index + 1).to_string();
        for (title, cell) in header.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            let padding = " ".repeat(name - title.width());
            let text = cut(cell, room, &mut shown.cut);
            shown.text.push(format!("{ordinal:>number$}  {title}{padding}  {text}"));
            ordinal.clear();
        }
    }
    shown
}

/// The text, or as much of it as fits before a `…`.
fn cut<'t>(text: &'t str, width: usize, was_cut: &mut bool) -> Cow<'t, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    *was_cut = true;
    let (mut kept, mut used) = (String::new(), 0);
    for cluster in text.graphemes(true) {
        used += cluster.width();
        if used >= width {
            break;
        }
        kept.push_str(cluster);
    }
    kept.push('…');
    Cow::Owned(kept)
}
