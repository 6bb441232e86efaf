//! From a fresh TCP connection to a link that both sides have authenticated.
//!
//! ```text
//! dialler   preamble, e                →                              Noise_XX_25519_ChaChaPoly_SHA256,
//!                                      ←  preamble, e, ee, s, es      prologue = domain, network id
//!           s, se, {key, proof, limits} →                             {…} is encrypted
//!                                      ←  {0, key, proof, limits} or {code of a refusal}
//! ```
//!
//! `proof` is an ed25519 signature over [`Statement`]: network, role, both member keys and the Noise handshake hash. The hash covers the
//! fresh keys of both sides, so a proof is worth nothing on any other connection; the role and the two member keys in it keep it from being
//! reflected or passed on to a third member.

use std::{io, net::SocketAddr};

use borsh::BorshSerialize;
use ed25519_zebra::{Signature, SigningKey, VerificationKey};
use sha2::{Digest, Sha256};
use snow::{HandshakeState, TransportState};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    config::{PeerKey, short},
    status::Refusal,
};

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
const DOMAIN: &[u8] = b"guardian-circle/v1/link";
const MAGIC: [u8; 6] = *b"GCLINK";
const VERSION: u16 = 1;
const PREAMBLE: usize = 16;
/// Message limits by channel, announced to the other side.
pub(super) type MessageLimits = [u32; 4];
const AUTH: usize = 32 + 64 + 16;
/// No handshake message is longer than this.
const MESSAGE_MAX: usize = 256;

#[derive(BorshSerialize, Clone, Copy)]
pub(super) enum Role {
    Dialler,
    Listener,
}

impl Role {
    fn other(self) -> Role {
        match self {
            Role::Dialler => Role::Listener,
            Role::Listener => Role::Dialler,
        }
    }
}

/// What a member signs to prove that it holds its key on this very connection.
#[derive(BorshSerialize)]
struct Statement {
    network: [u8; 32],
    role: Role,
    signer: PeerKey,
    peer: PeerKey,
    handshake_hash: [u8; 32],
}

impl Statement {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        bytes.push(0);
        self.serialize(&mut bytes)
            .expect("writing to a Vec does not fail");
        bytes
    }
}

/// Why a handshake ended without a link.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Refused(Refusal),
    #[error("the peer refuses us: {0}")]
    RefusedByPeer(Refusal),
    #[error("the connection broke during the handshake: {0}")]
    Io(#[from] io::Error),
}

impl From<Refusal> for HandshakeError {
    fn from(refusal: Refusal) -> Self {
        HandshakeError::Refused(refusal)
    }
}

/// What every handshake of this node has in common.
pub(super) struct Credentials {
    pub(super) identity: SigningKey,
    pub(super) key: PeerKey,
    pub(super) network: [u8; 32],
    pub(super) limits: MessageLimits,
    /// The Noise static key lives as long as the process; the proofs bind it to the member key, so nothing is gained by keeping it.
    static_private: Vec<u8>,
}

/// An authenticated peer on an encrypted connection.
pub(super) struct Established {
    pub(super) peer: PeerKey,
    pub(super) noise: TransportState,
    pub(super) limits: MessageLimits,
}

impl Credentials {
    pub(super) fn new(
        identity: SigningKey,
        network: [u8; 32],
        limits: MessageLimits,
    ) -> Result<Self, snow::Error> {
        let static_private = snow::Builder::new(PATTERN.parse()?)
            .generate_keypair()?
            .private;
        let key = VerificationKey::from(&identity).into();
        Ok(Credentials {
            identity,
            key,
            network,
            limits,
            static_private,
        })
    }

    fn noise(&self, role: Role) -> Result<HandshakeState, HandshakeError> {
        let mut prologue = DOMAIN.to_vec();
        prologue.push(0);
        prologue.extend_from_slice(&self.network);
        let build = || {
            let builder = snow::Builder::new(PATTERN.parse()?)
                .prologue(&prologue)?
                .local_private_key(&self.static_private)?;
            match role {
                Role::Dialler => builder.build_initiator(),
                Role::Listener => builder.build_responder(),
            }
        };
        build().map_err(|error: snow::Error| HandshakeError::Io(io::Error::other(error)))
    }

    /// Magic, version, and a tag of the network id: enough to say "wrong network" instead of "decryption failed". What protects is the
    /// prologue; the tag is a courtesy.
    fn preamble(&self) -> [u8; PREAMBLE] {
        let mut preamble = [0; PREAMBLE];
        preamble[..6].copy_from_slice(&MAGIC);
        preamble[6..8].copy_from_slice(&VERSION.to_le_bytes());
        let tag = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(b"/network-tag\0")
            .chain_update(self.network)
            .finalize();
        preamble[8..].copy_from_slice(&tag[..8]);
        preamble
    }

    async fn read_preamble(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<(), HandshakeError> {
        let mut theirs = [0; PREAMBLE];
        stream.read_exact(&mut theirs).await?;
        let ours = self.preamble();
        if theirs[..6] != ours[..6] {
            return Err(Refusal::Garbage.into());
        }
        if theirs[6..8] != ours[6..8] {
            return Err(Refusal::WrongVersion.into());
        }
        if theirs[8..] != ours[8..] {
            return Err(Refusal::WrongNetwork.into());
        }
        Ok(())
    }

    pub(super) fn auth(&self, role: Role, peer: PeerKey, handshake_hash: [u8; 32]) -> [u8; AUTH] {
        let statement = Statement {
            network: self.network,
            role,
            signer: self.key,
            peer,
            handshake_hash,
        };
        let proof: [u8; 64] = self.identity.sign(&statement.bytes()).into();
        let mut auth = [0; AUTH];
        auth[..32].copy_from_slice(&self.key);
        auth[32..96].copy_from_slice(&proof);
        for (slot, limit) in auth[96..].chunks_exact_mut(4).zip(self.limits) {
            slot.copy_from_slice(&limit.to_le_bytes());
        }
        auth
    }

    /// Who claims to be there, and whether the proof holds.
    fn check_auth(
        &self,
        role: Role,
        auth: &[u8],
        handshake_hash: [u8; 32],
    ) -> Result<(PeerKey, MessageLimits), HandshakeError> {
        let (Some(key), Some(proof), Some(announced)) = (
            auth.first_chunk::<32>(),
            auth.get(32..96).and_then(|slice| slice.first_chunk::<64>()),
            auth.get(96..AUTH),
        ) else {
            return Err(Refusal::Garbage.into());
        };
        let statement = Statement {
            network: self.network,
            role: role.other(),
            signer: *key,
            peer: self.key,
            handshake_hash,
        };
        VerificationKey::try_from(*key)
            .and_then(|key| key.verify(&Signature::from(*proof), &statement.bytes()))
            .map_err(|_| Refusal::BadProof)?;
        let mut limits = [0; 4];
        for (limit, bytes) in limits.iter_mut().zip(announced.chunks_exact(4)) {
            let mut number = [0; 4];
            number.copy_from_slice(bytes);
            *limit = u32::from_le_bytes(number);
        }
        Ok((*key, limits))
    }

    /// Dials: proves who we are and insists on `expected` at the other end.
    pub(super) async fn dial(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        expected: PeerKey,
    ) -> Result<Established, HandshakeError> {
        let mut noise = self.noise(Role::Dialler)?;
        let mut out = self.preamble().to_vec();
        push_noise(&mut noise, &mut out)?;
        stream.write_all(&out).await?;

        self.read_preamble(stream).await?;
        let hello = read_message(stream).await?;
        read_noise(&mut noise, &hello)?;
        out.clear();
        push_noise(&mut noise, &mut out)?;
        let hash = handshake_hash(&noise);
        let mut noise = noise.into_transport_mode().map_err(noise_failed)?;
        push_record(
            &mut noise,
            &self.auth(Role::Dialler, expected, hash),
            &mut out,
        )?;
        stream.write_all(&out).await?;

        let answer = open_record(&mut noise, &read_message(stream).await?)?;
        let Some((code, auth)) = answer.split_first() else {
            return Err(Refusal::Garbage.into());
        };
        if *code != 0 {
            let refusal = Refusal::from_wire(*code).unwrap_or(Refusal::Garbage);
            return Err(HandshakeError::RefusedByPeer(refusal));
        }
        let (peer, limits) = self.check_auth(Role::Dialler, auth, hash)?;
        if peer != expected {
            // Cannot happen with an honest library: the proof names us, but the signer must be the one we dialled.
            tracing::warn!(expected = %short(&expected), found = %short(&peer), "another member answers at this address");
            return Err(Refusal::NotMember.into());
        }
        Ok(Established {
            peer,
            noise,
            limits,
        })
    }

    /// Listens: learns who dials, asks `admit`, and answers.
    pub(super) async fn listen(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        admit: impl Fn(&PeerKey) -> Result<(), Refusal>,
    ) -> Result<Established, HandshakeError> {
        let mut noise = self.noise(Role::Listener)?;
        let preamble = self.read_preamble(stream).await;
        if let Err(HandshakeError::Refused(Refusal::WrongNetwork | Refusal::WrongVersion)) =
            preamble
        {
            // Our preamble lets the other side see the difference as well.
            stream.write_all(&self.preamble()).await?;
        }
        preamble?;
        let hello = read_message(stream).await?;
        read_noise(&mut noise, &hello)?;
        let mut out = self.preamble().to_vec();
        push_noise(&mut noise, &mut out)?;
        stream.write_all(&out).await?;

        let keys = read_message(stream).await?;
        read_noise(&mut noise, &keys)?;
        let hash = handshake_hash(&noise);
        let mut noise = noise.into_transport_mode().map_err(noise_failed)?;
        let auth = open_record(&mut noise, &read_message(stream).await?)?;
        let checked = self
            .check_auth(Role::Listener, &auth, hash)
            .and_then(|(peer, limits)| {
                admit(&peer).inspect_err(|refusal| {
                    tracing::info!(peer = %short(&peer), %refusal, "a proven key is refused a link");
                })?;
                Ok((peer, limits))
            });
        out.clear();
        match checked {
            Ok((peer, limits)) => {
                let mut answer = vec![0];
                answer.extend_from_slice(&self.auth(Role::Listener, peer, hash));
                push_record(&mut noise, &answer, &mut out)?;
                stream.write_all(&out).await?;
                Ok(Established {
                    peer,
                    noise,
                    limits,
                })
            }
            Err(error) => {
                if let HandshakeError::Refused(refusal) = &error {
                    push_record(&mut noise, &[refusal.to_wire()], &mut out)?;
                    stream.write_all(&out).await?;
                }
                Err(error)
            }
        }
    }
}

/// A connection and the address it came from or goes to, for status.
pub(super) struct Endpoint {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) dialled: bool,
}

fn noise_failed(_: snow::Error) -> HandshakeError {
    Refusal::BadHandshake.into()
}

fn handshake_hash(noise: &HandshakeState) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(noise.get_handshake_hash());
    hash
}

fn push(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut [u8]) -> Result<usize, snow::Error>,
) -> Result<(), HandshakeError> {
    let mut message = [0; MESSAGE_MAX];
    let length = write(&mut message).map_err(noise_failed)?;
    out.extend_from_slice(&(length as u16).to_le_bytes());
    out.extend_from_slice(&message[..length]);
    Ok(())
}

fn push_noise(noise: &mut HandshakeState, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
    push(out, |message| noise.write_message(&[], message))
}

fn push_record(
    noise: &mut TransportState,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    push(out, |message| noise.write_message(plain, message))
}

async fn read_message(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Vec<u8>, HandshakeError> {
    let length = usize::from(stream.read_u16_le().await?);
    if length > MESSAGE_MAX {
        return Err(Refusal::Garbage.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn read_noise(noise: &mut HandshakeState, message: &[u8]) -> Result<(), HandshakeError> {
    let mut payload = [0; MESSAGE_MAX];
    match noise.read_message(message, &mut payload) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Refusal::Garbage.into()),
        Err(error) => Err(noise_failed(error)),
    }
}

fn open_record(noise: &mut TransportState, message: &[u8]) -> Result<Vec<u8>, HandshakeError> {
    let mut plain = vec![0; MESSAGE_MAX];
    let length = noise
        .read_message(message, &mut plain)
        .map_err(noise_failed)?;
    plain.truncate(length);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tokio::io::DuplexStream;

    use super::*;

    const NETWORK: [u8; 32] = [7; 32];

    fn credentials(seed: u8, network: [u8; 32]) -> Credentials {
        Credentials::new(SigningKey::from([seed; 32]), network, [1, 2, 3, 4]).unwrap()
    }

    #[test]
    fn the_signed_bytes_are_fixed() {
        let statement = Statement {
            network: [1; 32],
            role: Role::Listener,
            signer: [2; 32],
            peer: [3; 32],
            handshake_hash: [4; 32],
        };
        let bytes = statement.bytes();
        assert_eq!(&bytes[..24], b"guardian-circle/v1/link\0");
        assert_eq!(bytes.len(), 24 + 32 + 1 + 3 * 32);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["94f20236b602fcf37afe2d2f3d8a9400274d9331275162c78cf01f6f3e4d7ddd"].assert_eq(&hex);
        let preamble = credentials(1, NETWORK).preamble();
        let hex: String = preamble.iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["47434c494e4b01000346dddff6ba99c9"].assert_eq(&hex);
    }

    #[test]
    fn a_proof_holds_for_one_connection_one_reader_one_role_and_one_network() {
        let (alice, bob, carol) = (
            credentials(1, NETWORK),
            credentials(2, NETWORK),
            credentials(3, NETWORK),
        );
        let hash = [9; 32];
        let proof = alice.auth(Role::Dialler, bob.key, hash);
        let accepted = |reader: &Credentials, role, proof: &[u8], hash| {
            reader.check_auth(role, proof, hash).is_ok()
        };
        let (key, limits) = bob.check_auth(Role::Listener, &proof, hash).unwrap();
        assert_eq!((key, limits), (alice.key, [1, 2, 3, 4]));

        assert!(
            !accepted(&bob, Role::Listener, &proof, [8; 32]),
            "another connection"
        );
        assert!(
            !accepted(&carol, Role::Listener, &proof, hash),
            "another reader"
        );
        assert!(!accepted(&bob, Role::Dialler, &proof, hash), "another role");
        assert!(!accepted(&alice, Role::Dialler, &proof, hash), "reflected");
        let elsewhere = credentials(2, [8; 32]);
        assert!(
            !accepted(&elsewhere, Role::Listener, &proof, hash),
            "another network"
        );
        let mut stolen = proof;
        stolen[..32].copy_from_slice(&carol.key);
        assert!(
            !accepted(&bob, Role::Listener, &stolen, hash),
            "another name"
        );
        assert!(
            !accepted(&bob, Role::Listener, &proof[..AUTH - 1], hash),
            "cut short"
        );
        assert!(!accepted(&bob, Role::Listener, &[], hash), "nothing");
    }

    /// Speaks Noise as a listener without any care for identities, and answers what it likes.
    async fn impostor(
        stream: &mut DuplexStream,
        answer: impl FnOnce([u8; 32]) -> Vec<u8>,
    ) -> Result<(), HandshakeError> {
        let anybody = credentials(66, NETWORK);
        let mut noise = anybody.noise(Role::Listener)?;
        anybody.read_preamble(stream).await?;
        read_noise(&mut noise, &read_message(stream).await?)?;
        let mut out = anybody.preamble().to_vec();
        push_noise(&mut noise, &mut out)?;
        stream.write_all(&out).await?;
        read_noise(&mut noise, &read_message(stream).await?)?;
        let hash = handshake_hash(&noise);
        let mut noise = noise.into_transport_mode().map_err(noise_failed)?;
        open_record(&mut noise, &read_message(stream).await?)?;
        out.clear();
        push_record(&mut noise, &answer(hash), &mut out)?;
        stream.write_all(&out).await?;
        Ok(())
    }

    #[tokio::test]
    async fn who_sits_in_between_cannot_pass_for_the_member() {
        let (alice, bob, mallory) = (
            credentials(1, NETWORK),
            credentials(2, NETWORK),
            credentials(66, NETWORK),
        );
        let answer = |auth: [u8; AUTH]| [&[0], &auth[..]].concat();
        let check = async |expected: &str, impostor_says: &dyn Fn([u8; 32]) -> Vec<u8>| {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            let (result, _) = tokio::join!(
                alice.dial(&mut ours, bob.key),
                impostor(&mut theirs, impostor_says)
            );
            let code = match result {
                Ok(_) => "linked",
                Err(HandshakeError::Refused(refusal)) => refusal.code(),
                Err(HandshakeError::RefusedByPeer(_)) => "refused by peer",
                Err(HandshakeError::Io(_)) => "connection",
            };
            assert_eq!(code, expected);
        };
        check("linked", &|hash| {
            answer(bob.auth(Role::Listener, alice.key, hash))
        })
        .await;
        // Under its own name, it is not the member that was dialled.
        check("link.not_member", &|hash| {
            answer(mallory.auth(Role::Listener, alice.key, hash))
        })
        .await;
        // What the member signed for the connection on the other side of the impostor.
        check("link.bad_proof", &|_| {
            answer(bob.auth(Role::Listener, alice.key, [5; 32]))
        })
        .await;
        // The member's name over its own signature.
        check("link.bad_proof", &|hash| {
            let mut auth = mallory.auth(Role::Listener, alice.key, hash);
            auth[..32].copy_from_slice(&bob.key);
            answer(auth)
        })
        .await;
        check("link.garbage", &|_| Vec::new()).await;
        check("link.garbage", &|_| vec![0; 50]).await;
        check("refused by peer", &|_| vec![Refusal::NotMember.to_wire()]).await;
    }
}
