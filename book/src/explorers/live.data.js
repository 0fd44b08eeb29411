// Made by book/explorers/make.py from the demo model. kit.js says why a script.
explorers.data.live =
{"text":"The brave goat was called Clara. More than anything, Clara loved her old","end":0,"bars":[{"id":1069,"token":" map","share":249},{"id":868,"token":" flute","share":219},{"id":1074,"token":" book","share":179},{"id":891,"token":" clock","share":152},{"id":1092,"token":" compass","share":88},{"id":882,"token":" lantern","share":48},{"id":918,"token":" doll","share":39},{"id":1103,"token":" spoon","share":8}]};
