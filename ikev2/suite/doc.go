// SPDX-License-Identifier: Apache-2.0

// Package suite holds the algorithms of IKEv2: which exist, how a set of them is negotiated, and
// what they compute (key exchange, key derivation, protection of SK payloads, AUTH values).
//
// What exists here is what may be used: AES-GCM, AES-CBC with HMAC-SHA2, ChaCha20-Poly1305, the
// MODP groups from 2048 bits, the NIST curves and Curve25519 (RFC 8247, RFC 8221). HMAC-SHA1 is
// known so that the profile "legacy-lab" can name it for UEs that know nothing else; no other
// profile does. DES, 3DES, MD5, MODP-768 to MODP-1536 and encryption without integrity cannot be
// expressed.
//
// Everything is a function of its arguments; randomness is passed in. Nothing here is safe for
// concurrent use by itself except pure functions.
package suite
