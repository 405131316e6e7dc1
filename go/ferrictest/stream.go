package ferrictest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	streamVersion = 1
	maxData       = 16 << 20

	frameOpen      = 0x01
	frameCommand   = 0x02
	frameReset     = 0x03
	frameOpened    = 0x81
	frameResponse  = 0x82
	frameResetDone = 0x83
	frameError     = 0x8f
)

// Session is an I_T nexus: a connection of the stream (docs/stream.md). It has one command at a time.
type Session struct {
	// Timeout is the time limit of a command. After an error, the session is closed.
	Timeout time.Duration

	lock       sync.Mutex
	connection net.Conn
	tag        uint64
}

// Response is the end of a command.
type Response struct {
	// Status is the status code of SAM: 00h GOOD, 02h CHECK CONDITION, 18h RESERVATION CONFLICT and so on.
	Status byte
	// Sense is the sense data; empty unless the status is CHECK CONDITION.
	Sense []byte
	// Data is the Data-In.
	Data []byte
	// Residual is the number of bytes that were not transferred; negative for bytes beyond those that were asked for.
	Residual int32
}

// Codes returns sense key, ASC and ASCQ of sense data in fixed format; zeros if there is none.
func (r *Response) Codes() (key, asc, ascq byte) {
	if len(r.Sense) < 14 || r.Sense[0]&0x7e != 0x70 {
		return 0, 0, 0
	}
	return r.Sense[2] & 0x0f, r.Sense[12], r.Sense[13]
}

// Command sends a CDB to a LUN. out is the Data-Out, in the number of bytes of Data-In that are accepted; a command has
// one of them at most.
func (s *Session) Command(lun uint8, cdb, out []byte, in int) (*Response, error) {
	if len(cdb) < 1 || len(cdb) > 255 {
		return nil, fmt.Errorf("the CDB has %d bytes; expected 1 to 255", len(cdb))
	}
	if len(out) > maxData || in < 0 || in > maxData || (len(out) > 0 && in > 0) {
		return nil, fmt.Errorf("%d bytes of Data-Out, %d of Data-In; expected one of them, up to %d", len(out), in, maxData)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.tag++
	body := make([]byte, 24, 24+len(cdb)+len(out))
	body[1] = lun
	binary.BigEndian.PutUint64(body[8:], s.tag)
	body[17] = byte(len(cdb))
	binary.BigEndian.PutUint32(body[20:], uint32(in))
	body, err := s.exchange(frameCommand, append(append(body, cdb...), out...), frameResponse)
	if err != nil {
		return nil, err
	}
	if tag := binary.BigEndian.Uint64(body); tag != s.tag {
		s.abandon()
		return nil, fmt.Errorf("a response has the tag %d; expected %d", tag, s.tag)
	}
	end := 16 + int(body[9])
	residual := int32(binary.BigEndian.Uint32(body[12:]))
	return &Response{Status: body[8], Sense: body[16:end], Data: body[end:], Residual: residual}, nil
}

// Reset sends LOGICAL UNIT RESET to a LUN.
func (s *Session) Reset(lun uint8) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	body, err := s.exchange(frameReset, []byte{0, lun, 0, 0, 0, 0, 0, 0}, frameResetDone)
	if err == nil && body[0] != 0 {
		err = fmt.Errorf("the target has no LUN %d", lun)
	}
	return err
}

// ClearUnitAttentions sends TEST UNIT READY to a LUN until no unit attention is pending.
func (s *Session) ClearUnitAttentions(lun uint8) error {
	for {
		response, err := s.Command(lun, make([]byte, 6), nil, 0)
		if err != nil {
			return err
		}
		if key, _, _ := response.Codes(); key != 6 {
			return nil
		}
	}
}

// Close ends the session.
func (s *Session) Close() {
	s.lock.Lock()
	defer s.lock.Unlock()
	if connection, ok := s.connection.(*net.UnixConn); ok {
		// The daemon closes the connection when it has ended the I_T nexus.
		connection.SetDeadline(time.Now().Add(s.Timeout))
		connection.CloseWrite()
		io.Copy(io.Discard, connection)
	}
	s.abandon()
}

func (s *Session) abandon() {
	if s.connection != nil {
		s.connection.Close()
		s.connection = nil
	}
}

// exchange sends a frame and returns the body of the response. After an error, the session is closed.
func (s *Session) exchange(kind byte, body []byte, expected byte) ([]byte, error) {
	if s.connection == nil {
		return nil, errClosed
	}
	received, err := s.tryExchange(kind, body, expected)
	if err != nil {
		s.abandon()
	}
	return received, err
}

func (s *Session) tryExchange(kind byte, body []byte, expected byte) ([]byte, error) {
	s.connection.SetDeadline(time.Now().Add(s.Timeout))
	frame := make([]byte, 8, 8+len(body))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[4:], uint32(len(body)))
	// If the daemon has refused the frame before its end, there is an ERROR frame to read.
	_, sent := s.connection.Write(append(frame, body...))
	header, err := readFull(s.connection, 8)
	if err != nil {
		if sent != nil {
			err = sent
		}
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[4:])
	if length > maxData+1024 {
		return nil, fmt.Errorf("a frame of %d bytes; expected at most %d", length, maxData+1024)
	}
	received, err := readFull(s.connection, int(length))
	switch {
	case err != nil:
		return nil, err
	case header[0] == frameError && length >= 4:
		return nil, fmt.Errorf("the daemon refused the frame: %s", received[4:])
	case header[0] != expected:
		return nil, fmt.Errorf("frame type %02Xh; expected %02Xh", header[0], expected)
	case expected == frameResponse && (length < 16 || int(length) < 16+int(received[9])), length == 0:
		return nil, fmt.Errorf("a frame of type %02Xh with %d bytes is too short", expected, length)
	}
	return received, nil
}
