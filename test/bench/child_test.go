// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswerQuestions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heap.pprof")
	var out strings.Builder
	answerQuestions(strings.NewReader("usage\nheap\nheapprofile "+file+"\nwho are you\nprofile /nonexistent/file\n"), &out)
	var answers []answer
	for dec := json.NewDecoder(strings.NewReader(out.String())); dec.More(); {
		var a answer
		require.NoError(t, dec.Decode(&a))
		answers = append(answers, a)
	}
	require.Len(t, answers, 5)
	var cpu int64
	require.NoError(t, json.Unmarshal(answers[0].Value, &cpu))
	assert.Positive(t, cpu)
	var heap heapState
	require.NoError(t, json.Unmarshal(answers[1].Value, &heap))
	assert.Positive(t, heap.Live)
	assert.Less(t, heap.Live, heap.Sys)
	assert.FileExists(t, file)
	assert.Contains(t, answers[3].Error, "unknown question")
	assert.Contains(t, answers[4].Error, "no such file")
}

func TestProcessThatFails(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n3iwf.yaml"), []byte("nonsense: 1\n"), 0o600))
	p, err := startProcess(dir, false)
	require.NoError(t, err)
	<-p.done
	require.ErrorContains(t, p.ended(), "nonsense")
	_, err = p.usage()
	require.ErrorContains(t, err, "nonsense", "the log tells why")
	require.Error(t, p.stop())
}
