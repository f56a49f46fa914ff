//! Finding crash texts in a log, in one pass and bounded memory.

use std::io::{self, BufRead};

use aho_corasick::{AhoCorasick, BuildError};

use super::carrier::Carrier;
use super::decode;
use super::foreign::{self, Foreign, Tally};
use super::open::{Open, Took};
use super::partial::{Joined, Partial};
use super::{CrashText, Route};

/// Longer lines are read up to here, in bytes: JSON with a whole stack in it is shorter.
const MAX_LINE: usize = 1 << 20;

/// Longer lines before a text are no calls, in bytes.
const MAX_CALL: usize = 4 << 10;

/// Texts that may be under way at once, of sources whose lines are mixed.
const MAX_OPEN: usize = 8;

/// A text of which nothing came for so many lines of the log is over.
const SILENCE: u64 = 20_000;

/// A line without any of these begins no crash text.
const WORDS: [&str; 9] = [
    "panic: ",
    "fatal error: ",
    "goroutine ",
    "panic serving ",
    "panic recovered:",
    "SIGQUIT: ",
    "SIGABRT: ",
    " +0x",
    // What `journalctl -o json` prints of a line with control characters may be anything.
    "\"MESSAGE\":[",
];

/// What else is known of a log when all of it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many lines it has.
    pub lines: u64,
    /// How many crash texts were found.
    pub found: u64,
    /// A program of another language that died in it.
    pub foreign: Option<Foreign>,
    /// Stacks of goroutines of which none died.
    pub dump: Option<Dump>,
}

/// Stacks of goroutines, without a word of a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dump {
    /// The number of its first line.
    pub line: u64,
    /// How many goroutines.
    pub goroutines: u64,
}

/// Reads a log, line by line.
pub struct Scanner {
    words: AhoCorasick,
    open: Vec<(Open, u64)>,
    foreign: Tally,
    summary: Summary,
    partial: Partial,
    /// The line before, while nothing is under way.
    before: Vec<u8>,
}

impl Scanner {
    /// A scanner that has read nothing yet.
    ///
    /// # Errors
    ///
    /// The table of words cannot be built, which takes some kilobytes.
    pub fn new() -> Result<Scanner, BuildError> {
        let foreign = foreign::WORDS.iter().map(|(word, _)| *word);
        Ok(Scanner {
            words: AhoCorasick::new(WORDS.into_iter().chain(foreign))?,
            open: Vec::new(),
            foreign: Tally::default(),
            summary: Summary::default(),
            partial: Partial::default(),
            before: Vec::new(),
        })
    }

    /// Reads all of `log`, as long as `go_on`, and gives each crash text to `found` when it is over.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn read(
        mut self,
        log: &mut dyn BufRead,
        go_on: &mut dyn FnMut(u64) -> bool,
        found: &mut dyn FnMut(CrashText),
    ) -> io::Result<Summary> {
        let mut line = Vec::new();
        let mut done = 0;
        loop {
            line.clear();
            let read = read_line(log, &mut line)?;
            done += read;
            if read == 0 || !go_on(done) {
                break;
            }
            self.line(&line, found);
        }
        Ok(self.finish(found))
    }

    /// Takes the next line of the log.
    pub fn line(&mut self, line: &[u8], found: &mut dyn FnMut(CrashText)) {
        self.summary.lines += 1;
        match self.partial.take(line) {
            Joined::Same => self.whole(line, found),
            Joined::Held => {}
            Joined::Line(line) => self.whole(&line, found),
        }
    }

    /// Takes a line that is all there.
    fn whole(&mut self, line: &[u8], found: &mut dyn FnMut(CrashText)) {
        let begins = self.look(line);
        if !begins && self.open.is_empty() {
            self.before.clear();
            self.before.extend(line.iter().take(MAX_CALL));
            return;
        }
        let text = decode::clean(line);
        if !self.follow(&text, found) && begins {
            self.begin(&text, found);
        }
        self.end_silent(found);
    }

    /// Ends what is under way, and says what else there was.
    pub fn finish(mut self, found: &mut dyn FnMut(CrashText)) -> Summary {
        for line in std::mem::take(&mut self.partial).finish() {
            self.whole(&line, found);
        }
        for (open, _) in std::mem::take(&mut self.open) {
            self.end(open, found);
        }
        Summary { foreign: self.foreign.most(), ..self.summary }
    }

    /// Whether a crash text may begin in the line. Counts what is of other languages.
    fn look(&mut self, line: &[u8]) -> bool {
        let mut begins = false;
        for word in self.words.find_iter(line) {
            match word.pattern().as_usize().checked_sub(WORDS.len()) {
                Some(foreign) => self.foreign.met(foreign, self.summary.lines),
                None => begins = true,
            }
        }
        begins
    }

    /// Gives the line to the text that it is of, if it is of one that is under way.
    fn follow(&mut self, line: &str, found: &mut dyn FnMut(CrashText)) -> bool {
        let mut order: Vec<usize> = (0..self.open.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.open[*index].0.carrier.weight()));
        for index in order {
            let (open, last) = &mut self.open[index];
            let Some(lines) = open.carrier.open(line) else { continue };
            let took = lines.iter().map(|line| open.take(line)).max_by_key(|took| rank(*took));
            match took {
                Some(Took::Yes) => {
                    *last = self.summary.lines;
                    return true;
                }
                Some(Took::Stray) | None => {}
                Some(Took::Anew | Took::Over) => {
                    let (open, _) = self.open.remove(index);
                    self.end(open, found);
                    return took == Some(Took::Over);
                }
            }
        }
        false
    }

    /// Begins a text with this line, if one begins there, or goes on with one whose first line was
    /// carried in another way.
    fn begin(&mut self, line: &str, found: &mut dyn FnMut(CrashText)) {
        let Some((carrier, lines)) = Carrier::learn(line) else { return };
        let number = self.summary.lines;
        let waits = self.open.iter_mut().find(|(open, _)| {
            open.waits() && carrier != open.carrier && carrier.may_follow(&open.carrier)
        });
        if let Some((open, last)) = waits
            && lines.first().is_some_and(|line| line.starts_with("goroutine "))
        {
            open.carrier = carrier;
            for line in &lines {
                open.take(line);
            }
            *last = number;
            return;
        }
        if self.open.len() >= MAX_OPEN {
            let (oldest, _) = self.open.remove(0);
            self.end(oldest, found);
        }
        let mut open = Open::new(carrier.clone(), number);
        open.take_call(&decode::clean(&std::mem::take(&mut self.before)), &lines);
        for line in &lines {
            if matches!(open.take(line), Took::Anew | Took::Over) {
                let next = Open::new(carrier.clone(), number);
                self.end(std::mem::replace(&mut open, next), found);
                open.take(line);
            }
        }
        self.open.push((open, number));
    }

    fn end_silent(&mut self, found: &mut dyn FnMut(CrashText)) {
        let now = self.summary.lines;
        while let Some(index) = self.open.iter().position(|(_, last)| now - last > SILENCE) {
            let (open, _) = self.open.remove(index);
            self.end(open, found);
        }
    }

    fn end(&mut self, open: Open, found: &mut dyn FnMut(CrashText)) {
        let Some(text) = open.end() else { return };
        let running = text.died().is_some_and(|first| first.state.starts_with("running"));
        let headless = text.died().is_some_and(|first| first.id.is_none());
        // SIGQUIT asks for the stacks; nothing is wrong with the goroutine that comes first.
        if text.chain.is_empty() && !running && !headless {
            let goroutines = text.goroutines.len() as u64 + text.dropped;
            self.summary.dump.get_or_insert(Dump { line: text.line, goroutines });
            return;
        }
        if text.route() == Some(Route::Signal) && text.goroutines.is_empty() {
            return;
        }
        self.summary.found += 1;
        found(text);
    }
}

/// Of several lines in one, what became of the one that matters most.
fn rank(took: Took) -> u8 {
    match took {
        Took::Stray => 0,
        Took::Yes => 1,
        Took::Anew => 2,
        Took::Over => 3,
    }
}

/// Reads a line, without what is beyond [`MAX_LINE`], and says how many bytes it took.
fn read_line(log: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut taken = 0;
    loop {
        let bytes = match log.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let end = memchr::memchr(b'\n', bytes);
        let len = end.map_or(bytes.len(), |end| end + 1);
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend_from_slice(&bytes[..len.min(room)]);
        log.consume(len);
        taken += len as u64;
        if end.is_some() || len == 0 {
            return Ok(taken);
        }
    }
}
