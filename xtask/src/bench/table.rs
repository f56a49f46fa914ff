//! What was measured, as Markdown.

use std::time::Duration;

use super::measure::Usage;

/// What one tool took for one question.
pub(crate) struct Line {
    pub(crate) tool: String,
    /// What it took, or why there is no answer.
    pub(crate) outcome: Result<Figures, String>,
}

/// Medians of some runs.
pub(crate) struct Figures {
    pub(crate) runs: usize,
    pub(crate) usage: Usage,
    /// How long the target stood still, by its own heartbeat.
    pub(crate) still: Option<Duration>,
    /// What came out, in words.
    pub(crate) answer: String,
}

/// A question, and what each tool took for it. The first line is mapscope's.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// The table in Markdown, with each figure's ratio to mapscope's.
    pub(crate) fn markdown(&self) -> String {
        let first = self.lines.first().and_then(|line| line.outcome.as_ref().ok());
        let still = self.lines.iter().any(|l| l.outcome.as_ref().is_ok_and(|f| f.still.is_some()));
        let mut text = format!("\n## {}\n\n| tool |", self.title);
        let mut heads = vec!["time", "CPU", "peak memory", "of its own", "runs", "answer"];
        if still {
            heads.insert(0, "target stood still");
        }
        for head in &heads {
            text.push_str(&format!(" {head} |"));
        }
        text.push_str(&format!("\n|{}\n", "---|".repeat(heads.len() + 1)));
        for line in &self.lines {
            text.push_str(&format!("| {} |", line.tool));
            match &line.outcome {
                Ok(figures) => text.push_str(&cells(figures, first, still)),
                Err(why) => {
                    text.push_str(&" |".repeat(heads.len() - 1));
                    text.push_str(&format!(" none: {} |", why.replace('|', "/")));
                }
            }
            text.push('\n');
        }
        text
    }
}

fn cells(own: &Figures, first: Option<&Figures>, still: bool) -> String {
    let base = first.unwrap_or(own);
    let mut text = String::new();
    if still {
        let time = |figures: &Figures| figures.still.map_or(0.0, |gap| gap.as_secs_f64());
        text.push_str(&format!(" {} |", with_ratio(seconds(time(own)), time(own), time(base))));
    }
    for time in [|u: &Usage| u.wall.as_secs_f64(), |u: &Usage| u.cpu.as_secs_f64()] {
        let (own, base) = (time(&own.usage), time(&base.usage));
        text.push_str(&format!(" {} |", with_ratio(seconds(own), own, base)));
    }
    for size in [|u: &Usage| u.peak as f64, |u: &Usage| u.anon as f64] {
        let (own, base) = (size(&own.usage), size(&base.usage));
        text.push_str(&format!(" {} |", with_ratio(format!("{:.0} MB", own / 1e6), own, base)));
    }
    text.push_str(&format!(" {} | {} |", own.runs, own.answer.replace('|', "/")));
    text
}

/// The figure, and how many times mapscope's it is.
fn with_ratio(text: String, own: f64, base: f64) -> String {
    match own / base {
        ratio if ratio.is_finite() && (ratio - 1.0).abs() > 1e-9 => {
            format!("{text} (×{})", digits(ratio))
        }
        _ => text,
    }
}

/// Two digits that mean something.
fn digits(ratio: f64) -> String {
    match ratio {
        r if r >= 10.0 => format!("{r:.0}"),
        r if r >= 1.0 => format!("{r:.1}"),
        r => format!("{r:.2}"),
    }
}

/// A time as a person says it.
pub(crate) fn seconds(time: f64) -> String {
    match time {
        t if t >= 10.0 => format!("{t:.0} s"),
        t if t >= 1.0 => format!("{t:.2} s"),
        t => format!("{:.1} ms", t * 1e3),
    }
}

/// The median run's figures, each by itself.
pub(crate) fn median(runs: &[Usage]) -> Usage {
    let by = |f: fn(&Usage) -> Duration| middle(runs.iter().map(f).collect());
    let size = |f: fn(&Usage) -> u64| middle(runs.iter().map(f).collect());
    Usage {
        wall: by(|u| u.wall),
        cpu: by(|u| u.cpu),
        peak: size(|u| u.peak),
        anon: size(|u| u.anon),
    }
}

/// The middle one; of an even number the lesser of the two.
pub(crate) fn middle<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_first_line() {
        let figures = |ms, answer: &str| Figures {
            runs: 3,
            usage: Usage { wall: Duration::from_millis(ms), ..Usage::default() },
            still: None,
            answer: answer.into(),
        };
        let line = |tool: &str, outcome| Line { tool: tool.into(), outcome };
        let table = Table {
            title: "ls".into(),
            lines: vec![
                line("mapscope", Ok(figures(20, "7 maps"))),
                line("slow", Ok(figures(2500, "7 maps"))),
                line("none", Err("exit 1 | no".into())),
            ],
        };
        let text = table.markdown();
        assert!(text.contains("| mapscope | 20.0 ms |"), "{text}");
        assert!(text.contains("| slow | 2.50 s (×125) |"), "{text}");
        assert!(text.contains("| none: exit 1 / no |"), "{text}");
    }

    #[test]
    fn medians() {
        assert_eq!(middle(vec![3, 1, 2]), 2);
        assert_eq!(middle(vec![4, 1]), 1);
        assert_eq!(middle(Vec::<u64>::new()), 0);
    }
}
