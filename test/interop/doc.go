// SPDX-License-Identifier: Apache-2.0

// Package interop tests the project against other people's implementations, in network namespaces: package ikev2 and the
// ESP of nwu/ipsec/user against strongSwan's charon, each in both roles. Pings run through the tunnel from both ends during
// every scenario and are counted; what charon itself thinks of its SAs is asked over vici. The names of the scenarios are
// the list of what is proven, see README.md.
//
// The tests need root and the Debian packages strongswan-charon, strongswan-swanctl, libcharon-extra-plugins,
// libcharon-extauth-plugins and libstrongswan-extra-plugins; elsewhere they are skipped. With
// -charon-esp=kernel and -our-esp=kernel either side uses the kernel's ESP, on a kernel that has it: test/vm runs them so.
package interop
