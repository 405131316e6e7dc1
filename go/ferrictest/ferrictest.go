// Package ferrictest starts a virtual tape library for a test, operates it, and sends SCSI commands to it.
//
// It needs the program ferric-iscsid, in the directory of the environment variable FERRIC_PROGRAMS or in PATH, and
// only the standard library of Go. docs/control.md and docs/stream.md describe the two protocols that it uses.
package ferrictest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	protocolVersion = 2
	startTimeout    = 60 * time.Second
	requestTimeout  = 60 * time.Second
)

// watchScript runs the daemon until its standard input ends, as it does if the test is killed.
const watchScript = `"$@" </dev/null & daemon=$!; exec >&-; read -r _; kill "$daemon" 2>/dev/null; wait "$daemon"`

// Library is a tape library that a daemon serves until the end of the test.
type Library struct {
	// Address is the iSCSI portal, such as "127.0.0.1:40123".
	Address string `json:"address"`
	// Targets has the iSCSI names of the targets.
	Targets []string `json:"targets"`
	// ControlSocket is the path of the control socket, for ferric --socket.
	ControlSocket string `json:"control"`
	// StreamSocket is the path of the socket for commands without iSCSI.
	StreamSocket string `json:"stream"`

	requests sync.Mutex
	control  net.Conn
	lines    *bufio.Reader
}

// Start starts a library and stops it at the end of the test. config is a configuration in TOML (docs/configuration.md);
// without one, the library is an STK L700 with two LTO-8 drives. The test fails if the daemon does not start.
func Start(t testing.TB, config ...string) *Library {
	t.Helper()
	// The directory of t can be too long for the address of a socket.
	directory, err := os.MkdirTemp("", "ferric-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	arguments := []string{"--ephemeral", "--bind", "127.0.0.1:0", "--ready", "json"}
	arguments = append(arguments, "--stream", filepath.Join(directory, "scsi.sock"))
	for _, text := range config {
		file := filepath.Join(directory, "config.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "--config", file)
	}
	watch := append([]string{"-c", watchScript, "ferric-watch", program()}, arguments...)
	library, err := start(t, exec.Command("/bin/sh", watch...))
	if err != nil {
		t.Fatalf("ferrictest: %v", err)
	}
	return library
}

func program() string {
	if directory := os.Getenv("FERRIC_PROGRAMS"); directory != "" {
		return filepath.Join(directory, "ferric-iscsid")
	}
	return "ferric-iscsid"
}

func start(t testing.TB, command *exec.Cmd) (*Library, error) {
	var log bytes.Buffer
	command.Stderr = &log
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		input.Close()
		command.Wait()
		if t.Failed() {
			t.Logf("log of ferric-iscsid:\n%s", log.String())
		}
	})
	timer := time.AfterFunc(startTimeout, func() { input.Close() })
	line, err := bufio.NewReader(output).ReadBytes('\n')
	timer.Stop()
	if err != nil {
		input.Close()
		command.Wait()
		return nil, fmt.Errorf("the daemon did not start:\n%s", log.String())
	}
	library := &Library{}
	if err := json.Unmarshal(line, library); err != nil {
		return nil, fmt.Errorf("ready line %q: %w", line, err)
	}
	if library.control, err = net.Dial("unix", library.ControlSocket); err != nil {
		return nil, err
	}
	t.Cleanup(func() { library.control.Close() })
	library.lines = bufio.NewReader(library.control)
	return library, nil
}

// Members are the members of a request of the control protocol.
type Members map[string]any

// RequestError is an error of the daemon, with a code such as "not_found", "conflict" or "busy".
type RequestError struct {
	Message string         `json:"error"`
	Code    string         `json:"code"`
	Fields  map[string]any `json:"fields"`
}

func (e *RequestError) Error() string { return e.Message }

// Request sends a request of the control protocol (docs/control.md) and returns its result as JSON.
func (l *Library) Request(op string, members Members) (json.RawMessage, error) {
	request := Members{"op": op, "version": protocolVersion}
	for name, value := range members {
		request[name] = value
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	l.requests.Lock()
	defer l.requests.Unlock()
	l.control.SetDeadline(time.Now().Add(requestTimeout))
	if _, err := l.control.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	if line, err = l.lines.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("request %s: %w", op, err)
	}
	var response struct {
		OK json.RawMessage `json:"ok"`
		RequestError
	}
	if err := json.Unmarshal(line, &response); err != nil {
		return nil, fmt.Errorf("response %q: %w", line, err)
	}
	if response.Message != "" {
		return nil, &response.RequestError
	}
	return response.OK, nil
}

// Move moves a cartridge between elements such as "slot3", "drive1" and "io1".
func (l *Library) Move(from, to string) error {
	_, err := l.Request("move", Members{"from": from, "to": to})
	return err
}

// Load loads a cartridge into a drive, such as "drive1".
func (l *Library) Load(barcode, drive string) error {
	_, err := l.Request("load", Members{"cartridge": barcode, "drive": drive})
	return err
}

// Unload moves the cartridge of a drive back to its slot.
func (l *Library) Unload(drive string) error {
	_, err := l.Request("unload", Members{"drive": drive})
	return err
}

// Fault adds the faults of a script (docs/faults.md).
func (l *Library) Fault(script string) error {
	_, err := l.Request("fault_add", Members{"text": script})
	return err
}

// Open logs in to the first target over the stream of the daemon. Each session is another I_T nexus.
func (l *Library) Open() (*Session, error) {
	connection, err := net.Dial("unix", l.StreamSocket)
	if err != nil {
		return nil, err
	}
	session := &Session{connection: connection, Timeout: requestTimeout}
	if _, err := session.exchange(frameOpen, append([]byte("FSTR"), 0, streamVersion, 0, 0, 0, 0, 0, 0), frameOpened); err != nil {
		connection.Close()
		return nil, err
	}
	return session, nil
}

var errClosed = errors.New("the session is closed")

func readFull(r io.Reader, length int) ([]byte, error) {
	buffer := make([]byte, length)
	_, err := io.ReadFull(r, buffer)
	return buffer, err
}
