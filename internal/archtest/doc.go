// SPDX-License-Identifier: Apache-2.0

// Package archtest holds the test that keeps the shape of the house: which package may import which. It has no code of
// its own.
package archtest
