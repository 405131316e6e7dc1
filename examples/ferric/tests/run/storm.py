import os,threading,subprocess,sys,fcntl,struct
T='/dev/nst0'
def mt(fd,op,n=1): fcntl.ioctl(fd,0x40086d01,struct.pack('hxxi',op,n))
fd=os.open(T,os.O_RDWR)
# threads write blocks
def w(i):
    for j in range(50): os.write(fd,bytes([i])*(3000+i*700))
ts=[threading.Thread(target=w,args=(i,)) for i in range(16)]
[t.start() for t in ts];[t.join() for t in ts]
# forks write blocks
pids=[]
for i in range(16,40):
    p=os.fork()
    if p==0:
        for j in range(20): os.write(fd,bytes([i])*(3000+i*700))
        os._exit(0)
    pids.append(p)
for p in pids: assert os.waitpid(p,0)[1]==0
# exec storm with the inherited descriptor
os.set_inheritable(fd,True)
ps=[subprocess.Popen(['sh','-c','head -c 5000 /dev/zero >&%d; mt -f /dev/nst0 status >/dev/null 2>&1; test $? -ne 0'%fd],close_fds=False) for i in range(40)]
for p in ps: assert p.wait()==0,p
mt(fd,6)
from collections import Counter
c=Counter()
while True:
    b=os.read(fd,100000)
    if not b: break
    assert len(set(b))==1
    assert b[0]==0 or len(b)==3000+b[0]*700,(b[0],len(b))
    c[b[0]]+=1
assert all(c[i]==50 for i in range(1,16)),c
assert all(c[i]==20 for i in range(16,40)),c
print("blocks", sum(c.values()), "of which", c[0], "by programs")
os.close(fd)
fd=os.open(T,os.O_RDWR); os.close(fd)
# many opens by threads: exactly one may have it
ok=[0]; busy=[0]
def o():
    for i in range(30):
        try:
            f=os.open(T,os.O_RDONLY); ok[0]+=1; os.close(f)
        except OSError as e:
            assert e.errno==16,e; busy[0]+=1
ts=[threading.Thread(target=o) for i in range(8)]
[t.start() for t in ts];[t.join() for t in ts]
assert ok[0] >= 8; print("opens that had the tape alone: ok")
for i in range(20):
    subprocess.run(['mt','-f',T,'status'],check=True,stdout=subprocess.DEVNULL)
