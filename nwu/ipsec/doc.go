// SPDX-License-Identifier: Apache-2.0

// Package ipsec says what an ESP data plane must do for the NWu endpoint, without doing it: child SAs are installed, rekeyed, moved to
// another outer path and deleted through one interface, DataPlane, and inner packets pass through it in batches. Two makers exist below it
// (in user space and over the kernel's XFRM); the package contract holds the tests that both must pass.
//
// A child SA is named by a ChildID that its owner chooses. The name stays the same over rekeys (each rekey installs another generation, named
// by its inbound SPI) and over moves (the path is a value that is swapped in one step). Nothing is ever looked up by an outer address.
// Nothing here assumes a role: a UE uses the same data plane as the network does.
package ipsec
