//! Lines to a host.

use core::convert::Infallible;

use embassy_futures::block_on;
use embedded_io::{ErrorType, Read, Write};

/// A line that loses bytes without breaking.
///
/// Noise and overruns are errors of a serial port, but the line is there after them: a frame
/// that lacks a byte fails its checksum, and the host sends it again.
#[derive(Debug)]
pub struct Line<T>(pub T);

impl<T> ErrorType for Line<T> {
    type Error = Infallible;
}

impl<T: Read> Read for Line<T> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            if let Ok(count @ 1..) = self.0.read(bytes) {
                return Ok(count);
            }
        }
    }
}

impl<T: Write> Write for Line<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // What is not sent is lost.
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// A port that is only to be had as a future, waited for.
#[derive(Debug)]
pub struct Waiting<T>(pub T);

impl<T: ErrorType> ErrorType for Waiting<T> {
    type Error = T::Error;
}

impl<T: embedded_io_async::Read> Read for Waiting<T> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, T::Error> {
        block_on(self.0.read(bytes))
    }
}

impl<T: embedded_io_async::Write> Write for Waiting<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> Result<(), T::Error> {
        block_on(self.0.flush())
    }
}

#[cfg(test)]
mod tests {
    use embedded_io::ErrorKind;

    use super::*;

    /// A port that fails before each byte that it has.
    struct Noisy {
        left: u8,
        fails: bool,
    }

    impl ErrorType for Noisy {
        type Error = ErrorKind;
    }

    impl Read for Noisy {
        fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
            self.fails = !self.fails;
            if self.fails {
                return Err(ErrorKind::Other);
            }
            self.left -= 1;
            bytes[0] = self.left;
            Ok(1)
        }
    }

    #[test]
    fn a_line_goes_on_after_errors() {
        let mut line = Line(Noisy {
            left: 3,
            fails: false,
        });
        let mut bytes = [0; 2];
        assert_eq!(line.read(&mut []), Ok(0));
        assert_eq!((line.read(&mut bytes), bytes), (Ok(1), [2, 0]));
        assert_eq!((line.read(&mut bytes), bytes), (Ok(1), [1, 0]));
    }
}
