// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// TestRANConfigurationUpdateAnswers: one procedure at a time, with what is true when it begins; an AMF that refuses with Time To Wait is asked again after it; the operator is told
// of an AMF that says nothing (TS 38.413 8.7.2).
func TestRANConfigurationUpdateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLine(t, 0, 1)
		ng := l.ng
		tell := func(name string) {
			l.o.nf.served.Store(&served{name: ngap.RANNodeName(name)})
			ng.tellServed()
		}
		told := func() ngap.RANNodeName { t.Helper(); return one[*ngap.RANConfigurationUpdate](l, ng, 0).RANNodeName }
		tell("one")
		require.EqualValues(t, "one", told())
		tell("two")
		tell("three")
		require.Empty(t, l.said(ng, 0), "the first is not answered")
		l.hear(0, &ngap.RANConfigurationUpdateAcknowledge{})
		require.EqualValues(t, "three", told())
		l.hear(0, &ngap.RANConfigurationUpdateFailure{Cause: ngap.CauseMiscUnspecified.Cause(), TimeToWait: new(ngap.TimeToWaitV2s)})
		require.Equal(t, "misc/unspecified", ng.updateRefused())
		time.Sleep(2*time.Second - 1)
		require.Empty(t, l.said(ng, 0))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.EqualValues(t, "three", told())
		time.Sleep(updateTime - 1)
		require.Equal(t, "misc/unspecified", ng.updateRefused())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, "no answer", ng.updateRefused())
		l.hear(0, &ngap.RANConfigurationUpdateAcknowledge{}) // too late
		require.Equal(t, "no answer", ng.updateRefused())
		tell("four")
		require.EqualValues(t, "four", told())
		l.hear(0, &ngap.RANConfigurationUpdateAcknowledge{})
		require.Empty(t, ng.updateRefused())
		time.Sleep(time.Hour)
		require.Empty(t, l.said(ng, 0))
	})
}
