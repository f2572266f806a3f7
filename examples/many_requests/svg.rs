//! The chart as an SVG picture.
//!
//! A thin coloured band is a wait; its colour shows the await. A tall dark bar is a poll. The rows
//! fill the height: with three rows each is a bar, with three hundred each is a thin line.

use std::fmt::Write;
use std::time::Duration;

use crate::figure::{self, Activity, Figure, Stretch};
use crate::run::Request;
use crate::seconds::Seconds;
use crate::step::Step;

/// With more rows, a row would be thinner than a pixel on any screen.
const ROWS_MAX: usize = 600;

/// Sizes in pixels. The plot is between the labels on the left and the times on the right.
const PLOT_LEFT: f64 = 230.0;
const PLOT_WIDTH: f64 = 860.0;
const PLOT_TOP: f64 = 84.0;
const RIGHT: f64 = 90.0;
const ROW_MAX: f64 = 26.0;
const ROW_MIN: f64 = 3.0;

/// The height of all rows, unless that makes a row taller than [`ROW_MAX`] or lower than
/// [`ROW_MIN`].
const PLOT_HEIGHT: f64 = 1200.0;

/// The smallest distance between two labels.
const LABEL_PITCH: f64 = 13.0;

/// The smallest width of a poll. Without it, short polls would be invisible.
const POLL_MIN_WIDTH: f64 = 0.9;

const POLL_COLOUR: &str = "#1b1b1b";
const FAILED_COLOUR: &str = "#d62728";

/// Returns the colour of an await. The colours also differ in lightness, for colour-blind readers.
fn colour(step: Step) -> &'static str {
    match step {
        Step::Spawned => "#d9d9d9",
        Step::Resolve => "#cc79a7",
        Step::Connect => "#f0b429",
        Step::Write => "#00866b",
        Step::Head => "#7cc4ef",
        Step::Body => "#2f6fb5",
    }
}

/// Draws the figure as an SVG document.
pub(crate) fn draw(figure: &Figure<'_>) -> String {
    let (rows, stride) = figure.sample(ROWS_MAX);
    let pitch = (PLOT_HEIGHT / rows.len().max(1) as f64).clamp(ROW_MIN, ROW_MAX);
    let bottom = PLOT_TOP + pitch * rows.len() as f64;
    let (width, height) = (PLOT_LEFT + PLOT_WIDTH + RIGHT, bottom + 34.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.1}\" \
         width=\"{width}\" height=\"{height:.1}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    header(&mut svg, figure, stride);
    axis(&mut svg, figure.span, bottom);
    let label_every = (LABEL_PITCH / pitch).ceil() as usize;
    for (place, index) in rows.into_iter().enumerate() {
        let row = PlacedRow { top: PLOT_TOP + pitch * place as f64, pitch, span: figure.span };
        row.draw(&mut svg, &figure.requests[index]);
        if place % label_every == 0 {
            row.draw_label(&mut svg, index, &figure.requests[index]);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn header(svg: &mut String, figure: &Figure<'_>, stride: usize) {
    let count = figure.requests.len();
    let failed = figure.requests.iter().filter(|request| request.outcome.is_err()).count();
    let plural = if count == 1 { "" } else { "s" };
    let mut title = format!("{count} request{plural} in {}", Seconds(figure.span));
    if failed > 0 {
        let _ = write!(title, ", {failed} failed");
    }
    if stride > 1 {
        let _ = write!(title, " (one row of each {stride} is drawn)");
    }
    text(svg, 14.0, 28.0, "font-size=\"17\" font-weight=\"bold\"", &title);
    let mut x = 14.0;
    let mut entry = |svg: &mut String, fill: &str, height: f64, label: &str| {
        let y = 52.0 - height / 2.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"16\" height=\"{height}\" fill=\"{fill}\"/>"
        );
        text(svg, x + 21.0, 56.0, "", label);
        x += 34.0 + 6.6 * label.len() as f64;
    };
    entry(svg, POLL_COLOUR, 12.0, "polled");
    for step in Step::ALL {
        entry(svg, colour(step), 7.0, &format!("waits: {}", step.label()));
    }
    entry(svg, FAILED_COLOUR, 12.0, "failed");
}

fn axis(svg: &mut String, span: Duration, bottom: f64) {
    for (at, label) in figure::ticks(span, 10) {
        let x = position(span, at);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1}V{bottom:.1}\" stroke=\"#e4e4e4\" stroke-width=\"1\"/>",
            PLOT_TOP - 4.0
        );
        for y in [PLOT_TOP - 8.0, bottom + 16.0] {
            text(svg, x, y, "text-anchor=\"middle\" fill=\"#555\" font-size=\"11\"", &label);
        }
    }
}

/// Returns the horizontal position of the time `at`.
fn position(span: Duration, at: Duration) -> f64 {
    PLOT_LEFT + PLOT_WIDTH * at.as_secs_f64() / span.as_secs_f64()
}

/// A row and its position.
struct PlacedRow {
    top: f64,
    pitch: f64,
    span: Duration,
}

impl PlacedRow {
    fn draw(&self, svg: &mut String, request: &Request) {
        svg.push_str("<g>\n<title>");
        escape(svg, crate::report::line(request).trim());
        svg.push_str("</title>\n");
        let mut last_poll_right = f64::MIN;
        for stretch in figure::stretches(&request.row) {
            match stretch.activity {
                Activity::Waiting(step) => {
                    // In a thin row the band takes more of the height, so that its colour shows.
                    let part = if self.pitch < 8.0 { 0.7 } else { 0.5 };
                    self.bar(svg, stretch, colour(step), part, 0.0);
                }
                Activity::Polled => {
                    // Draw polls on the same pixel once.
                    let right = position(self.span, stretch.end);
                    if right > last_poll_right {
                        self.bar(svg, stretch, POLL_COLOUR, 0.86, POLL_MIN_WIDTH);
                        let left = position(self.span, stretch.start);
                        last_poll_right = right.max(left + POLL_MIN_WIDTH);
                    }
                }
            }
        }
        if request.outcome.is_err() {
            let end = request.row.end();
            let mark = Stretch { start: end, end, activity: Activity::Polled };
            self.bar(svg, mark, FAILED_COLOUR, 1.0, 4.0);
        }
        svg.push_str("</g>\n");
    }

    /// Draws one stretch. Its height is `part` of the row's, its width at least `min_width`.
    fn bar(&self, svg: &mut String, stretch: Stretch, fill: &str, part: f64, min_width: f64) {
        let (left, right) = (position(self.span, stretch.start), position(self.span, stretch.end));
        let width = (right - left).max(min_width);
        if width < 0.05 {
            return;
        }
        let height = self.pitch * part;
        let y = self.top + (self.pitch - height) / 2.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" \
             fill=\"{fill}\"/>"
        );
    }

    fn draw_label(&self, svg: &mut String, index: usize, request: &Request) {
        let y = self.top + self.pitch / 2.0 + 4.0;
        let label = format!("{}  {}", index + 1, figure::label(&request.url));
        text(svg, PLOT_LEFT - 10.0, y, "text-anchor=\"end\"", &label);
        let time = Seconds(request.time).to_string();
        text(svg, PLOT_LEFT + PLOT_WIDTH + 10.0, y, "fill=\"#555\"", &time);
    }
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>");
    escape(svg, content);
    svg.push_str("</text>\n");
}

/// Appends `content` with markup escaped. XML does not allow control characters, which a malformed
/// URL can contain, so they are replaced.
fn escape(svg: &mut String, content: &str) {
    for letter in content.chars() {
        match letter {
            '<' => svg.push_str("&lt;"),
            '>' => svg.push_str("&gt;"),
            '&' => svg.push_str("&amp;"),
            '"' => svg.push_str("&quot;"),
            letter if letter.is_control() => svg.push('\u{fffd}'),
            letter => svg.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_url_is_escaped() {
        let mut svg = String::new();
        escape(&mut svg, "<a href=\"&\">\u{7}");
        assert_eq!(svg, "&lt;a href=&quot;&amp;&quot;&gt;\u{fffd}");
    }

    #[test]
    fn times_are_between_the_edges_of_the_plot() {
        let span = Duration::from_secs(4);
        assert_eq!(position(span, Duration::ZERO), PLOT_LEFT);
        assert_eq!(position(span, span), PLOT_LEFT + PLOT_WIDTH);
    }
}
