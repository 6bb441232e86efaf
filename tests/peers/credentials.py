"""Makes the credential that circle/testdata/pyjwt.token holds, with PyJWT (PyPI: pyjwt, cryptography).

Prints it, and ends with status 1 if it is not the one in the file named as first argument. The key is that of RFC 8037, appendix A.1.
"""

import sys

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
CLAIMS = {
    "iss": "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
    "sub": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "jti": "urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5",
    "nbf": 1767225600,
    "exp": 1798761600,
    "vc": {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential", "ResidenceCredential"],
        "credentialSubject": {"country": "BE", "over18": True, "note": "Zoë \u20ac", "rank": None},
    },
}

key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET))
token = jwt.encode(CLAIMS, key, algorithm="EdDSA", headers={"kid": "key-1"})
print(token)
if len(sys.argv) > 1 and open(sys.argv[1]).read().strip() != token:
    sys.exit("the token differs")
