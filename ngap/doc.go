// SPDX-License-Identifier: Apache-2.0

// Package ngap is the NG application protocol between an N3IWF and an AMF (TS 38.413, in the profile of TS 29.413).
//
// Messages, IEs and transfer containers are Go structs whose tags are their only description; package aper encodes,
// decodes, checks and prints them from it. Names are those of the ASN.1 modules with hyphens dropped and the first
// letter raised: S-NSSAI is SNSSAI, aMFSetID is AMFSetID. An OPTIONAL member is a pointer, or a slice or string that
// may be nil or empty; a CHOICE is a struct of pointers of which exactly one is set. A new procedure is a struct per
// message and a line in the table of procedures.go.
//
// What this package does not model it keeps: unknown IEs stay with the message and are encoded again. What a peer
// has to be told about a message that it got wrong is decided in one place, errors.go.
package ngap
