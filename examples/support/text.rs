//! Reading text as people have it: from a file or standard input, with or without a byte order mark,
//! with line ends of Unix (LF), Windows (CRLF) or old Macs (CR), and with bytes that are not UTF-8 where
//! nobody looks.
//!
//! [`Text`] is a stream of bytes without the mark, whose lines all end in LF. [`Lines`] goes through its
//! lines and counts them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;

/// The bytes of a file, or of standard input where the path is `-`, and their number where it is known.
pub fn open(path: &Path) -> io::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), length))
}

/// Text whose lines end in LF, whatever they ended in, and that has no byte order mark.
pub struct Text<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    /// How many of the next bytes of the input are known not to be CR.
    plain: usize,
    /// Whether the next byte is a CR, which is given out as LF.
    at_cr: bool,
    /// Whether a CR has just been given out, to which an LF that follows belongs.
    after_cr: bool,
}

impl<R: BufRead> Text<R> {
    /// The text of bytes.
    ///
    /// # Errors
    ///
    /// Those of reading, and one for text that is in UTF-16 or compressed.
    pub fn new(mut input: R) -> io::Result<Self> {
        let mut head = Vec::new();
        input.by_ref().take(3).read_to_end(&mut head)?;
        let problem = match head[..] {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                "this is UTF-16; `iconv -f UTF-16 -t UTF-8` makes it UTF-8"
            }
            [0x1f, 0x8b, ..] => "this is compressed; `gzip -dc` makes it text",
            _ => "",
        };
        if !problem.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if head == b"\xef\xbb\xbf" {
            head.clear();
        }
        let input = Cursor::new(head).chain(input);
        Ok(Self { input, plain: 0, at_cr: false, after_cr: false })
    }
}

impl<R: BufRead> BufRead for Text<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.after_cr {
            self.after_cr = false;
            if self.input.fill_buf()?.first() == Some(&b'\n') {
                self.input.consume(1);
            }
        }
        let bytes = self.input.fill_buf()?;
        // Each byte is looked at once, not once for every line in the buffer.
        if self.plain == 0 {
            self.plain = bytes.iter().position(|&byte| byte == b'\r').unwrap_or(bytes.len());
        }
        self.at_cr = self.plain == 0 && !bytes.is_empty();
        Ok(if self.at_cr { b"\n" } else { &bytes[..self.plain] })
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        if self.at_cr {
            self.after_cr = count > 0;
            self.at_cr = count == 0;
        } else {
            self.plain -= count;
        }
    }
}

impl<R: BufRead> Read for Text<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// The lines of a text, one after another, with their numbers.
pub struct Lines<R> {
    text: Text<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of the text of bytes.
    ///
    /// # Errors
    ///
    /// As for [`Text::new`].
    pub fn new(input: R) -> io::Result<Self> {
        Ok(Self { text: Text::new(input)?, line: Vec::new(), number: 0 })
    }

    /// The next line without its end, or None after the last one.
    pub fn next(&mut self) -> io::Result<Option<&mut [u8]>> {
        self.line.clear();
        if self.text.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(Some(&mut self.line))
    }

    /// The number of the line that `next` gave last; the first is line 1.
    pub fn number(&self) -> u64 {
        self.number
    }
}
