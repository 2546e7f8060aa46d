// SPDX-License-Identifier: Apache-2.0

// Package succession is the link between a process and the one that takes its place on the same host: messages, and open files, over a unix socket that is
// private to the user. What the messages say is package n3iwf's; all of it is trusted, as each end has the rights of the other.
package succession
