//! Values of options that several have.

use std::time::Duration;

/// Seconds, with a fraction if need be.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => {
            Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX))
        }
        _ => Err("a number of seconds from 0 up is wanted".into()),
    }
}

/// Bytes: a number of MiB, or with K, M or G behind it of KiB, MiB or GiB.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((end, 'K' | 'k')) => (text.get(..end), 1 << 10),
        Some((end, 'M' | 'm')) => (text.get(..end), 1 << 20),
        Some((end, 'G' | 'g')) => (text.get(..end), 1 << 30),
        _ => (Some(text), 1_u64 << 20),
    };
    match number.map(str::parse::<u64>) {
        Some(Ok(number)) => Ok(number.saturating_mul(unit)),
        _ => Err("a number of MiB is wanted, or one with K, M or G as in 64K".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("3"), Ok(3 << 20));
        assert_eq!(size("64K"), Ok(64 << 10));
        assert_eq!(size("5m"), Ok(5 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("99999999999999999G"), Ok(u64::MAX));
        for wrong in ["", "K", "-1", "1.5", "1 K", "1KB", "ä"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
