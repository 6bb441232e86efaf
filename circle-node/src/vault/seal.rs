//! Bytes in and out of age's encryption.

use std::io::{Read as _, Write as _};
use std::iter;

use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use zeroize::Zeroizing;

use super::Passphrase;

/// The scrypt work factor, 2^18: about a second, and 256 MiB for as long. The unit tests, which try every point of a crash, take
/// less; those of the binary do not.
const WORK_FACTOR_LOG2: u8 = if cfg!(test) { 4 } else { 18 };
/// The most work that a file may ask of whoever opens it, 2^20: four times as much.
const WORK_FACTOR_LOG2_MAX: u8 = 20;

/// Why encrypted bytes cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another passphrase, or damaged bytes: they cannot be told apart.
    #[error("the passphrase is not the one it was encrypted with")]
    WrongPassphrase,
    /// Encrypted to somebody else.
    #[error("it is encrypted to another identity")]
    OtherIdentity,
    /// By passphrase instead of to an identity.
    #[error("it is encrypted by a passphrase, not to an identity")]
    ByPassphrase,
    /// To an identity instead of by passphrase.
    #[error("it is encrypted to an identity, not by a passphrase")]
    ToIdentity,
    /// More work than anybody should be asked for.
    #[error("opening it takes too much work: 2^{log2}, where 2^{WORK_FACTOR_LOG2_MAX} is the most")]
    Work {
        /// What it asks for.
        log2: u8,
    },
    /// Bytes that were changed or cut.
    #[error("it is damaged")]
    Damaged,
}

/// For whom something is encrypted.
pub enum Sealer {
    /// For whoever holds one of these identities.
    To(Vec<Recipient>),
    /// For whoever knows this passphrase.
    By(Passphrase),
}

impl Sealer {
    /// Encrypts `bytes`.
    pub fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::To(recipients) => seal_to(recipients, bytes),
            Self::By(passphrase) => seal_by(passphrase, bytes, WORK_FACTOR_LOG2),
        }
    }
}

/// Encrypts `bytes` to all of `recipients`, of whom there is at least one.
pub fn seal_to(recipients: &[Recipient], bytes: &[u8]) -> Vec<u8> {
    let all = recipients
        .iter()
        .map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(all).expect("there is a recipient, all of one kind");
    write(encryptor, bytes)
}

pub(super) fn seal_by(passphrase: &Passphrase, bytes: &[u8], work_factor_log2: u8) -> Vec<u8> {
    let mut recipient = scrypt::Recipient::new(passphrase.secret().clone());
    recipient.set_work_factor(work_factor_log2);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .expect("one passphrase stands alone");
    write(encryptor, bytes)
}

fn write(encryptor: Encryptor, bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    encryptor
        .wrap_output(&mut sealed)
        .and_then(|mut writer| {
            writer.write_all(bytes)?;
            writer.finish().map(drop)
        })
        .expect("writing to memory does not fail");
    sealed
}

/// Opens what was encrypted to `identity`.
pub fn open_with_identity(
    identity: &Identity,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let decryptor = Decryptor::new(sealed).map_err(refusal)?;
    if decryptor.is_scrypt() {
        return Err(SealError::ByPassphrase);
    }
    read(decryptor, identity, sealed.len())
}

/// Opens what was encrypted by `passphrase`.
pub fn open_with_passphrase(
    passphrase: &Passphrase,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let decryptor = Decryptor::new(sealed).map_err(refusal)?;
    if !decryptor.is_scrypt() {
        return Err(SealError::ToIdentity);
    }
    let mut identity = scrypt::Identity::new(passphrase.secret().clone());
    identity.set_max_work_factor(WORK_FACTOR_LOG2_MAX);
    read(decryptor, &identity, sealed.len()).map_err(|error| match error {
        SealError::OtherIdentity => SealError::WrongPassphrase,
        other => other,
    })
}

fn read(
    decryptor: Decryptor<&[u8]>,
    identity: &dyn age::Identity,
    length_max: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut reader = decryptor.decrypt(iter::once(identity)).map_err(refusal)?;
    // Room for all at once: a vector that grows would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length_max));
    reader
        .read_to_end(&mut bytes)
        .map_err(|_| SealError::Damaged)?;
    Ok(bytes)
}

fn refusal(error: DecryptError) -> SealError {
    match error {
        DecryptError::NoMatchingKeys => SealError::OtherIdentity,
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            SealError::WrongPassphrase
        }
        DecryptError::ExcessiveWork { required, .. } => SealError::Work { log2: required },
        _ => SealError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_its_own_key_and_by_no_other() {
        let (ours, theirs) = (Identity::generate(), Identity::generate());
        let sealed = seal_to(&[ours.to_public()], b"a secret");
        assert!(!sealed.windows(8).any(|window| window == b"a secret"));
        assert_eq!(
            open_with_identity(&ours, &sealed).unwrap().as_slice(),
            b"a secret"
        );
        assert_eq!(
            open_with_identity(&theirs, &sealed),
            Err(SealError::OtherIdentity)
        );
        let both = seal_to(&[ours.to_public(), theirs.to_public()], b"both");
        for identity in [&ours, &theirs] {
            assert_eq!(
                open_with_identity(identity, &both).unwrap().as_slice(),
                b"both"
            );
        }
        let passphrase = Passphrase::from("twelve brown foxes".to_owned());
        assert_eq!(
            open_with_passphrase(&passphrase, &sealed),
            Err(SealError::ToIdentity)
        );
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing() {
        let passphrase = Passphrase::from("twelve brown foxes".to_owned());
        let other = Passphrase::from("twelve brown boxes".to_owned());
        let sealed = seal_by(&passphrase, b"a secret", 4);
        assert_eq!(
            open_with_passphrase(&passphrase, &sealed)
                .unwrap()
                .as_slice(),
            b"a secret"
        );
        assert_eq!(
            open_with_passphrase(&other, &sealed),
            Err(SealError::WrongPassphrase)
        );
        assert_eq!(
            open_with_identity(&Identity::generate(), &sealed),
            Err(SealError::ByPassphrase)
        );
        // Asked for too much work, it refuses before doing any.
        let costly = String::from_utf8_lossy(&sealed).find(" 4\n").unwrap();
        let mut costly_bytes = sealed[..costly].to_vec();
        costly_bytes.extend_from_slice(b" 40\n");
        costly_bytes.extend_from_slice(&sealed[costly + 3..]);
        assert_eq!(
            open_with_passphrase(&passphrase, &costly_bytes),
            Err(SealError::Work { log2: 40 })
        );
    }

    #[test]
    fn not_one_byte_can_be_changed_or_be_missing() {
        let identity = Identity::generate();
        let sealed = seal_to(&[identity.to_public()], b"a secret of some length");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                open_with_identity(&identity, &changed).is_err(),
                "byte {at}"
            );
            assert!(
                open_with_identity(&identity, &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }
}
