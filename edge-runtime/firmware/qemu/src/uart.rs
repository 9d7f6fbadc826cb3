//! Serial ports of emulated boards, read and written by waiting.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};

/// What differs between serial ports.
pub trait Port {
    /// The byte that arrived, if one did.
    fn receive(&mut self) -> Option<u8>;

    /// Whether there is room for a byte to be sent.
    fn can_send(&self) -> bool;

    /// Sends a byte, where there is room.
    fn send(&mut self, byte: u8);
}

/// A port that waits.
#[derive(Debug)]
pub struct Uart<P>(pub P);

impl<P> ErrorType for Uart<P> {
    type Error = Infallible;
}

impl<P: Port> Read for Uart<P> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for place in bytes {
            // Waits for the first byte alone.
            let byte = loop {
                match self.0.receive() {
                    Some(byte) => break byte,
                    None if count > 0 => return Ok(count),
                    None => core::hint::spin_loop(),
                }
            };
            *place = byte;
            count += 1;
        }
        Ok(count)
    }
}

impl<P: Port> Write for Uart<P> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            while !self.0.can_send() {
                core::hint::spin_loop();
            }
            self.0.send(byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A register of a peripheral.
#[derive(Clone, Copy, Debug)]
struct Register(*mut u32);

impl Register {
    fn read(self) -> u32 {
        // SAFETY: whoever made the port promised that it is there.
        unsafe { self.0.read_volatile() }
    }

    fn write(self, value: u32) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) }
    }
}

/// Arm's CMSDK UART (Arm DDI 0479), of the MPS2 and MPS3 boards.
#[derive(Debug)]
pub struct Cmsdk {
    data: Register,
    state: Register,
}

impl Cmsdk {
    /// Turns the port at `base` on.
    ///
    /// # Safety
    /// There is one, which nothing else uses.
    pub unsafe fn new(base: usize) -> Self {
        let register = |offset| Register((base + offset) as *mut u32);
        // The emulator takes any divider from 16 on; both directions on.
        register(0x10).write(16);
        register(0x08).write(0b11);
        Self {
            data: register(0x00),
            state: register(0x04),
        }
    }
}

impl Port for Cmsdk {
    fn receive(&mut self) -> Option<u8> {
        (self.state.read() & 0b10 != 0).then(|| self.data.read() as u8)
    }

    fn can_send(&self) -> bool {
        self.state.read() & 0b01 == 0
    }

    fn send(&mut self, byte: u8) {
        self.data.write(byte.into());
    }
}

/// The USART of STM32F2 and F4 (RM0090, chapter 30).
#[derive(Debug)]
pub struct Stm32 {
    status: Register,
    data: Register,
}

impl Stm32 {
    /// Turns the port at `base` on.
    ///
    /// # Safety
    /// There is one, with its clock on, which nothing else uses.
    pub unsafe fn new(base: usize) -> Self {
        let register = |offset| Register((base + offset) as *mut u32);
        // Port, transmitter and receiver on.
        register(0x0c).write(1 << 13 | 1 << 3 | 1 << 2);
        Self {
            status: register(0x00),
            data: register(0x04),
        }
    }
}

impl Port for Stm32 {
    fn receive(&mut self) -> Option<u8> {
        (self.status.read() & 1 << 5 != 0).then(|| self.data.read() as u8)
    }

    fn can_send(&self) -> bool {
        self.status.read() & 1 << 7 != 0
    }

    fn send(&mut self, byte: u8) {
        self.data.write(byte.into());
    }
}

/// The 16550 of the RISC-V `virt` board.
#[derive(Debug)]
pub struct Ns16550(*mut u8);

impl Ns16550 {
    /// The port at `base`.
    ///
    /// # Safety
    /// There is one, which nothing else uses.
    pub unsafe fn new(base: usize) -> Self {
        Self(base as *mut u8)
    }

    fn status(&self) -> u8 {
        // SAFETY: `new` was promised a port, whose line status is its sixth register.
        unsafe { self.0.add(5).read_volatile() }
    }
}

impl Port for Ns16550 {
    fn receive(&mut self) -> Option<u8> {
        // SAFETY: `new` was promised a port; data is its first register.
        (self.status() & 1 != 0).then(|| unsafe { self.0.read_volatile() })
    }

    fn can_send(&self) -> bool {
        self.status() & 1 << 5 != 0
    }

    fn send(&mut self, byte: u8) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(byte) }
    }
}
