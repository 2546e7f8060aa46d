// SPDX-License-Identifier: Apache-2.0

// Package docs runs what the documentation tells people to type: the `sh` blocks of each page, in order, as one script in a
// network namespace and a folder of its own, with the programs in bin/. Blocks for other machines (kubectl, Docker) are marked
// `console`, and configuration is `yaml`; links and file names are checked everywhere.
package docs
