//! A chart as SVG: panels side by side, and in each a bar per runtime.
//!
//! The colours follow the reader's theme by `prefers-color-scheme`. A page may have the other theme
//! than the system, so the chart has a background of its own. Each bar has its name and its number
//! beside it, so nothing is said by a colour alone. A screen reader gets the title and the
//! description.

use std::fmt::Write;

/// A chart.
#[derive(Debug)]
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: String,
    /// How to read it: what the numbers are.
    pub(super) subtitle: String,
    /// Where the numbers come from.
    pub(super) source: String,
    /// The panels, from left to right, on the same scale.
    pub(super) panels: Vec<Panel>,
}

/// Bars that are compared with each other.
#[derive(Debug)]
pub(super) struct Panel {
    /// What the bars measure.
    pub(super) title: String,
    /// The names of the bars and their lengths. The first is drawn in the accent colour.
    pub(super) bars: Vec<(String, f64)>,
}

const WIDTH: f64 = 720.0;
const MARGIN: f64 = 16.0;
/// The top of the panels' titles.
const PANELS_TOP: f64 = 82.0;
const ROW: f64 = 22.0;
const BAR_HEIGHT: f64 = 13.0;
/// The width of the names beside the bars.
const NAMES: f64 = 72.0;
/// The width of the number behind the longest bar.
const NUMBERS: f64 = 50.0;

/// Plain rules rather than variables, which not every program that draws SVG knows.
const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.panel{font-weight:600}.source{font-size:11px}\
.soft,.source{fill:#59636e}.page{fill:#fff;stroke:#d0d7de}.own{fill:#0969da}.peer{fill:#8c959f}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.soft,.source{fill:#9198a1}\
.page{fill:#0d1117;stroke:#3d444d}.own{fill:#4493f8}.peer{fill:#6e7681}}";

impl Chart {
    /// The chart in words: for a screen reader, and as the text of an image.
    pub(super) fn description(&self) -> String {
        let panels = self.panels.iter().map(|panel| {
            let bars = panel.bars.iter().map(|(name, value)| format!("{name} {}", number(*value)));
            format!(" {}: {}.", panel.title, bars.collect::<Vec<_>>().join(", "))
        });
        format!("{}. {}.{}", self.title, self.subtitle, panels.collect::<String>())
    }

    /// The file.
    pub(super) fn svg(&self) -> String {
        let rows = self.panels.iter().map(|panel| panel.bars.len()).max().unwrap_or(0) as f64;
        let height = PANELS_TOP + ROW * (rows + 1.0) + 18.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
             <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
            escaped(&self.title),
            escaped(&self.description()),
            WIDTH - 1.0,
            height - 1.0,
        );
        text(&mut out, "title", "start", (MARGIN, 30.0), &self.title);
        text(&mut out, "soft", "start", (MARGIN, 51.0), &self.subtitle);
        let column = (WIDTH - 2.0 * MARGIN) / self.panels.len().max(1) as f64;
        let longest = self.panels.iter().flat_map(|panel| &panel.bars).map(|bar| bar.1);
        let scale = (column - NAMES - NUMBERS - 12.0) / longest.fold(f64::MIN_POSITIVE, f64::max);
        for (index, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut out, MARGIN + column * index as f64, scale);
        }
        text(&mut out, "source", "start", (MARGIN, height - 12.0), &self.source);
        out.push_str("</svg>\n");
        out
    }
}

impl Panel {
    fn draw(&self, out: &mut String, left: f64, scale: f64) {
        text(out, "panel", "start", (left, PANELS_TOP), &self.title);
        for (index, (name, value)) in self.bars.iter().enumerate() {
            let base = PANELS_TOP + ROW * (index as f64 + 1.0);
            let start = left + NAMES;
            // A value of nothing is still visible.
            let length = (value * scale).max(1.5);
            let class = if index == 0 { "own" } else { "peer" };
            text(out, "soft", "end", (start - 6.0, base), name);
            let top = base - BAR_HEIGHT + 2.0;
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" \
                 height=\"{BAR_HEIGHT}\" rx=\"1.5\"/>"
            )
            .expect("a string takes all");
            text(out, "value", "start", (start + length + 5.0, base), &number(*value));
        }
    }
}

fn text(out: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), content: &str) {
    let content = escaped(content);
    let anchor = if anchor == "end" { " text-anchor=\"end\"" } else { "" };
    writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"{anchor}>{content}</text>")
        .expect("a string takes all");
}

fn escaped(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A figure with three significant digits and, from a thousand on, commas.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 1.0 => 2,
        small if small < 10.0 => 1,
        _ => 0,
    };
    let plain = format!("{value:.digits$}");
    if digits > 0 {
        return plain;
    }
    let len = plain.len();
    let place = |(index, digit)| {
        let comma = index > 0 && (len - index) % 3 == 0;
        comma.then_some(',').into_iter().chain([digit])
    };
    plain.chars().enumerate().flat_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let bars = vec![("reveille".to_owned(), 0.0), ("tokio".to_owned(), 1_234.0)];
        Chart {
            title: "A < B".to_owned(),
            subtitle: "ms".to_owned(),
            source: "today".to_owned(),
            panels: vec![Panel { title: "p50".to_owned(), bars }],
        }
    }

    #[test]
    fn numbers_have_few_digits_and_commas() {
        let shown = [0.164, 5.59, 10.9, 999.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.16", "5.6", "11", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_description_has_every_number() {
        assert_eq!(chart().description(), "A < B. ms. p50: reveille 0.00, tokio 1,234.");
    }

    #[test]
    fn a_bar_without_length_is_visible_and_the_longest_fits() {
        let svg = chart().svg();
        assert!(svg.contains("<title id=\"title\">A &lt; B</title>"));
        let widths = svg
            .lines()
            .filter(|line| line.contains("class=\"own\"") || line.contains("class=\"peer\""));
        let widths = widths.map(|line| {
            let width = line.split("width=\"").nth(1).unwrap();
            width.split('"').next().unwrap().parse::<f64>().unwrap()
        });
        let widths: Vec<f64> = widths.collect();
        assert_eq!(widths[0], 1.5);
        assert!(MARGIN + NAMES + widths[1] + NUMBERS <= WIDTH - MARGIN, "{widths:?}");
    }
}
