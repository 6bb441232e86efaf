//! What Horizon writes as text: amounts, times, names. Exact, without floats.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use treasury_protocol::stellar::{Asset, AssetCode, address, key_of_address};

use crate::endpoints::Fault;

/// Units in one whole of any asset.
const UNITS: i64 = 10_000_000;

pub(super) fn malformed(what: &str, text: &str) -> Fault {
    // Enough to find it, and not all of what a server may send.
    let shown: String = text.chars().take(80).collect();
    Fault::Malformed {
        reason: format!("{what} '{shown}'"),
    }
}

/// An amount with up to 7 decimals in units of 10^-7.
pub(super) fn units(text: &str) -> Result<i64, Fault> {
    let refuse = || malformed("this is no amount of 7 decimals:", text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 7 {
        return Err(refuse());
    }
    let whole: i64 = whole.parse().map_err(|_| refuse())?;
    let fraction: i64 = format!("{fraction:0<7}").parse().map_err(|_| refuse())?;
    let units = whole
        .checked_mul(UNITS)
        .and_then(|units| units.checked_add(fraction));
    units.ok_or_else(refuse)
}

/// An RFC 3339 time in Unix seconds.
pub(super) fn seconds(text: &str) -> Result<u64, Fault> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    time.and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .ok_or_else(|| malformed("this is no time:", text))
}

/// A number that is written as text.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|_| malformed("this is no number:", text))
}

/// 32 bytes in hexadecimal.
pub(super) fn hash(text: &str) -> Result<[u8; 32], Fault> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| malformed("this is no hash:", text))?;
    Ok(hash)
}

/// The key behind a `G…` address.
pub(super) fn key(text: &str) -> Result<[u8; 32], Fault> {
    key_of_address(text).map_err(|_| malformed("this is no G… address:", text))
}

/// An asset by its code and its issuer's address.
pub(super) fn issued(code: &str, issuer: &str) -> Result<Asset, Fault> {
    Ok(Asset::Issued {
        code: AssetCode::new(code).map_err(|_| malformed("this is no asset code:", code))?,
        issuer: key(issuer)?,
    })
}

/// An asset in one text: `native` or `CODE:ISSUER`.
pub(super) fn asset(text: &str) -> Result<Asset, Fault> {
    if text == "native" {
        return Ok(Asset::Native);
    }
    let parts = text.split_once(':');
    let (code, issuer) = parts.ok_or_else(|| malformed("this is no asset:", text))?;
    issued(code, issuer)
}

/// An asset in one text, as Horizon writes it.
pub fn asset_text(asset: &Asset) -> String {
    match asset {
        Asset::Native => "native".into(),
        Asset::Issued { code, issuer } => format!("{}:{}", code.as_str(), address(issuer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("0.0000000", Some(0)),
            ("0.0000001", Some(1)),
            ("1", Some(10_000_000)),
            ("12.5", Some(125_000_000)),
            ("900.0000001", Some(9_000_000_001)),
            ("922337203685.4775807", Some(i64::MAX)),
            ("922337203685.4775808", None),
            ("9223372036854775807", None),
            ("0.00000001", None),
            ("-1.0", None),
            ("+1.0", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("1.5.0", None),
            ("١", None),
            ("", None),
        ] {
            assert_eq!(units(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_in_any_offset() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(seconds("2024-02-29T00:00:00Z"), Ok(1_709_164_800));
        assert_eq!(seconds("2024-02-29T01:00:00.25+01:00"), Ok(1_709_164_800));
        assert!(seconds("1969-12-31T23:59:59Z").is_err());
        assert!(seconds("yesterday").is_err());
    }

    #[test]
    fn assets_are_written_as_they_are_read() {
        let issuer = address(&[7; 32]);
        for text in ["native".to_owned(), format!("TFT:{issuer}")] {
            assert_eq!(asset_text(&asset(&text).unwrap()), text);
        }
        assert!(asset("TFT").is_err() && asset("TFT:nobody").is_err());
        assert!(asset(&format!("WAYTOOLONGACODE:{issuer}")).is_err());
    }
}
