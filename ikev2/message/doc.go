// SPDX-License-Identifier: Apache-2.0

// Package message is the wire format of IKEv2: the header, every payload of RFC 7296, the
// Encrypted payload (SK) and its fragments (SKF, RFC 7383) with their reassembly. It knows
// bytes, not keys: what encrypts is a Protector that the caller brings.
//
// A message is decoded in two steps, because that is the order in which it can be trusted.
// Decode reads the header and the clear payloads and leaves SK or SKF closed as the last
// payload; Encrypted.Open checks the ICV, decrypts and decodes the payloads inside. An error
// of the first step came from anybody, an error of the second step (other than ErrIntegrity)
// came from the peer.
//
// Decoded values alias their input: keep the input unchanged for as long as they live. The
// payloads inside SK alias a buffer that Open allocates. Encoders append to the slice that
// they are given and never keep it.
package message
