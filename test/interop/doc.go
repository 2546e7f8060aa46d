// SPDX-License-Identifier: Apache-2.0

// Package interop tests the project against other people's implementations, in network namespaces: package ikev2
// against strongSwan's charon, in both roles. Its tests need root and the Debian packages strongswan-charon,
// strongswan-swanctl, libcharon-extra-plugins and libstrongswan-extra-plugins; elsewhere they are skipped.
package interop
