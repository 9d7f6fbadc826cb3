//! The camera.

use app::sensor::{Arducam, Resolution};
use edge_runtime::sensor::{Captured, Sensor, SensorError};

use super::Clock;
use super::camera::{Camera, brightness};

const QQVGA: usize = 160 * 120;

fn driver(camera: &Camera, resolution: Resolution) -> Arducam<Camera, Camera, Clock> {
    let clock = camera.clock.clone();
    Arducam::new(camera.clone(), camera.clone(), clock, resolution)
}

fn scene(number: usize, width: usize, height: usize) -> Vec<u8> {
    let rows = (0..height).map(|y| (0..width).map(move |x| brightness(number, x, y)));
    rows.flatten().collect()
}

/// What a first capture gives, of a camera that was changed.
fn captured(camera: &Camera) -> Result<Captured, SensorError> {
    driver(camera, Resolution::Qqvga).capture(&mut [0; QQVGA])
}

#[test]
fn a_picture_arrives_as_the_camera_sees_it() {
    for (resolution, width, height) in [
        (Resolution::Qqvga, 160_u16, 120_u16),
        (Resolution::Qvga, 320, 240),
    ] {
        let camera = Camera::new();
        let expected = scene(0, width.into(), height.into());
        let mut pixels = vec![0xEE; expected.len() + 5];
        let picture = driver(&camera, resolution).capture(&mut pixels).unwrap();
        let (pixels, behind) = pixels.split_at(expected.len());
        assert_eq!((picture.width, picture.height), (width, height));
        assert_eq!((picture.channels, picture.len()), (1, expected.len()));
        assert!(pixels == expected, "{resolution:?}");
        assert_eq!(behind, [0xEE; 5]);
    }
}

#[test]
fn a_camera_is_set_up_once() {
    let camera = Camera::new();
    let mut driver = driver(&camera, Resolution::Qqvga);
    let mut pixels = [0; QQVGA];
    driver.capture(&mut pixels).unwrap();
    let first = camera.transfers.count();
    camera.change(|chips| chips.scene = 100);
    driver.capture(&mut pixels).unwrap();
    assert!(pixels[..] == scene(100, 160, 120));
    assert!(camera.transfers.count() - first < first - 100);
}

#[test]
fn a_chip_that_is_missing_or_another_is_told() {
    for id in [[0x00, 0x00], [0xFF, 0xFF], [0x26, 0x43], [0x77, 0x41]] {
        let camera = Camera::new();
        camera.change(|chips| chips.id = id);
        let expected = SensorError::Chip {
            device: "camera",
            expected: &[0x2641, 0x2642],
            found: u16::from_be_bytes(id),
        };
        assert_eq!(captured(&camera), Err(expected));
    }
    let camera = Camera::new();
    camera.change(|chips| chips.has_controller = false);
    let expected = SensorError::Chip {
        device: "camera's controller",
        expected: &[0x55],
        found: 0xFF,
    };
    assert_eq!(captured(&camera), Err(expected));
}

#[test]
fn both_versions_of_the_chip_are_taken() {
    let camera = Camera::new();
    camera.change(|chips| chips.id = [0x26, 0x41]);
    assert!(captured(&camera).is_ok());
}

#[test]
fn a_transfer_may_fail_at_any_time() {
    let whole = Camera::new();
    captured(&whole).unwrap();
    let count = whole.transfers.count();
    let expected = scene(0, 160, 120);
    for failing in 0..count {
        let camera = Camera::new();
        camera.transfers.fail_after(failing);
        let mut driver = driver(&camera, Resolution::Qqvga);
        let mut pixels = [0; QQVGA];
        let error = driver.capture(&mut pixels).unwrap_err();
        assert!(
            matches!(error, SensorError::Bus { .. }),
            "{failing}: {error}"
        );
        assert_eq!(camera.transfers.count(), failing + 1, "went on");
        driver.capture(&mut pixels).unwrap();
        assert!(pixels[..] == expected, "{failing}");
    }
}

#[test]
fn a_picture_that_never_comes_is_not_waited_for() {
    let camera = Camera::new();
    camera.change(|chips| chips.picture_ms = u64::MAX);
    let mut driver = driver(&camera, Resolution::Qqvga);
    let mut pixels = [0; QQVGA];
    let error = driver.capture(&mut pixels).unwrap_err();
    assert!(matches!(
        error,
        SensorError::TooSlow {
            milliseconds: 1000,
            ..
        }
    ));
    // Three resets, the exposure, the picture.
    assert_eq!(camera.clock.milliseconds(), 300 + 500 + 1000);
    camera.change(|chips| chips.picture_ms = 900);
    driver.capture(&mut pixels).unwrap();
    assert!(pixels[..] == scene(0, 160, 120));
}

#[test]
fn memory_that_is_too_small_is_told_before_anything_is_done() {
    let camera = Camera::new();
    let found = driver(&camera, Resolution::Qqvga).capture(&mut [0; QQVGA - 1]);
    let (needed, room) = (QQVGA, QQVGA - 1);
    assert_eq!(found, Err(SensorError::Memory { needed, room }));
    assert_eq!(camera.transfers.count(), 0);
}

#[test]
fn less_than_a_picture_is_told() {
    let camera = Camera::new();
    // Some bytes more than a picture are in the memory: one less than that is lost.
    camera.change(|chips| chips.lost = 8);
    assert!(captured(&camera).is_ok());
    camera.change(|chips| chips.lost = 9);
    let (expected, found) = (2 * QQVGA, 2 * QQVGA - 1);
    let error = SensorError::CutOff { expected, found };
    assert_eq!(captured(&camera), Err(error));
}

#[test]
fn a_camera_that_was_without_power_is_set_up_anew() {
    let camera = Camera::new();
    let mut driver = driver(&camera, Resolution::Qqvga);
    let mut pixels = [0; QQVGA];
    driver.capture(&mut pixels).unwrap();
    camera.lose_power();
    let error = driver.capture(&mut pixels).unwrap_err();
    assert!(matches!(error, SensorError::CutOff { .. }), "{error}");
    driver.capture(&mut pixels).unwrap();
    assert!(pixels[..] == scene(0, 160, 120));
}
