// SPDX-License-Identifier: Apache-2.0

// Package nas is the codec of the 5GS NAS messages (TS 24.501 clauses 8.2, 8.3 and 9) that the lab's UE and the
// lab's AMF and SMF exchange over non-3GPP access. A message is a Go struct; the tags of its fields are the one
// description from which decoding and encoding follow. A field of pointer or slice type is an optional
// information element, absent when nil. Protection of messages is in nas/security, keys in nas/aka.
//
// The N3IWF does not import this package: NAS is opaque to it.
package nas
