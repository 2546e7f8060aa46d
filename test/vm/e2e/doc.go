// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the programs of the project on the kernel of test/vm: ESP, SCTP and network namespaces of a real one.
package e2e
