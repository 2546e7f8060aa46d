// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration file.
type Problem struct {
	// File is the name that was given to Load.
	File string
	// Line counts from 1. For a key that is missing it is the line of the mapping that should have it.
	Line int
	// Key is the path of the key, for example n2.amfs[0].addresses[1]. Empty when the file as a whole is meant.
	Key string
	// What is wrong, and what to do about it.
	What, Do string
}

// Error returns "file:line: key: what; do".
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Do != "" {
		b.WriteString("; " + p.Do)
	}
	return b.String()
}

// Problems are all mistakes of a file, in the order of their lines. It is the error that Load and Parse return for a
// file that could be read.
type Problems []Problem

// Error returns one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Problem.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i := range p {
		errs[i] = p[i]
	}
	return errs
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return a.Line - b.Line })
	return p
}

// KeyError says what is wrong with the value of a key, without the file: see Locate.
type KeyError struct {
	// Key is the path of the key.
	Key string
	// What is wrong, and what to do about it; Do may be empty.
	What, Do string
	// Err is where What comes from, if it is another error.
	Err error
}

// Unwrap gives Err.
func (e *KeyError) Unwrap() error { return e.Err }

// Error returns "key: what; do".
func (e *KeyError) Error() string {
	if e.Do == "" {
		return e.Key + ": " + e.What
	}
	return e.Key + ": " + e.What + "; " + e.Do
}

// Locate adds the line of a file that was loaded before to each error of err that says its key: that is a Problem then. The others stay as they are.
func Locate(file string, err error) error {
	if k := (*KeyError)(nil); !errors.As(err, &k) {
		return err
	}
	return errors.Join(linesOf(file).locate(err)...)
}

func (d *decoder) locate(err error) (all []error) {
	k := (*KeyError)(nil)
	if !errors.As(err, &k) {
		return []error{err}
	}
	switch e := err.(type) { //nolint:errorlint // each step of the tree by itself
	case *KeyError:
		return []error{Problem{File: d.file, Line: d.line(k.Key), Key: k.Key, What: k.What, Do: k.Do}}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, d.locate(inner)...)
		}
	case interface{ Unwrap() error }:
		return d.locate(e.Unwrap())
	}
	return all
}

// LocateKeys writes file:line: key for each key of a file that was loaded before.
func LocateKeys(file string, keys []string) []string {
	d := linesOf(file)
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = fmt.Sprintf("%s:%d: %s", file, d.line(k), k)
	}
	return out
}
