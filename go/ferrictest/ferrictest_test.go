package ferrictest

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

const oneDrive = `
[[library]]
slots = 3
[[library.drive]]
model = "ULT3580-TD8"
[[library.cartridges]]
pattern = "A#L8"
count = 2
size = "64MB"
`

// open returns a session without pending unit attentions of the first drive.
func open(t *testing.T, library *Library) *Session {
	t.Helper()
	session, err := library.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	if err := session.ClearUnitAttentions(1); err != nil {
		t.Fatal(err)
	}
	return session
}

func good(t *testing.T, session *Session, cdb, out []byte, in int) []byte {
	t.Helper()
	response, err := session.Command(1, cdb, out, in)
	if err != nil || response.Status != 0 {
		t.Fatalf("CDB %x: %v, %v", cdb, response, err)
	}
	return response.Data
}

func TestBlocks(t *testing.T) {
	library := Start(t, oneDrive)
	if err := library.Load("A1L8", "drive1"); err != nil {
		t.Fatal(err)
	}
	session := open(t, library)
	block := bytes.Repeat([]byte("tape"), 100_000)
	good(t, session, []byte{0x0a, 0, 0x06, 0x1a, 0x80, 0}, block, 0)
	good(t, session, []byte{0x01, 0, 0, 0, 0, 0}, nil, 0)
	if read := good(t, session, []byte{0x08, 0, 0x06, 0x1a, 0x80, 0}, nil, 400_000); !bytes.Equal(read, block) {
		t.Fatalf("%d bytes were read", len(read))
	}
	response, err := session.Command(1, []byte{0x08, 0, 0, 0, 1, 0}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if key, asc, ascq := response.Codes(); key != 8 || asc != 0 || ascq != 5 || response.Residual != 1 {
		t.Fatalf("end of data: %+v", response)
	}
	if err := library.Unload("drive1"); err != nil {
		t.Fatal(err)
	}
}

func TestReset(t *testing.T) {
	library := Start(t, oneDrive)
	one, two := open(t, library), open(t, library)
	good(t, one, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0)
	if response, err := two.Command(1, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0); err != nil || response.Status != 0x18 {
		t.Fatalf("%v, %v", response, err)
	}
	if err := two.Reset(1); err != nil {
		t.Fatal(err)
	}
	if err := two.ClearUnitAttentions(1); err != nil {
		t.Fatal(err)
	}
	good(t, two, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0)
	if err := two.Reset(9); err == nil {
		t.Fatal("LUN 9 was reset")
	}
}

func TestFaultsAndErrors(t *testing.T) {
	library := Start(t)
	var refused *RequestError
	if err := library.Move("slot999", "drive1"); !errors.As(err, &refused) || refused.Code != "not_found" {
		t.Fatalf("%v", err)
	}
	if err := library.Fault("[[fault]]\nkind = \"drop_response\"\ndrive = \"drive1\"\n"); err != nil {
		t.Fatal(err)
	}
	session, err := library.Open()
	if err != nil {
		t.Fatal(err)
	}
	session.Timeout = time.Second
	if err := session.ClearUnitAttentions(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	if _, err := session.Command(1, make([]byte, 6), nil, 0); !errors.Is(err, errClosed) {
		t.Fatalf("%v", err)
	}
}

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatalf(format string, arguments ...any) {
	for _, argument := range arguments {
		r.message += argument.(error).Error()
	}
	panic(r)
}

func TestWrongConfiguration(t *testing.T) {
	failed := &recorder{TB: t}
	defer func() {
		recover()
		if !strings.Contains(failed.message, "slot") {
			t.Fatalf("message %q", failed.message)
		}
	}()
	Start(failed, "[[library]]\nslot = 3\n")
}
