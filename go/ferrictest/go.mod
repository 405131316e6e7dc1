module ferric-vtl.org/ferrictest

go 1.19
