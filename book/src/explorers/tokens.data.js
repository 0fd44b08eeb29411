// Made by book/explorers/make.py from the demo model. kit.js says why a script.
explorers.data.tokens =
{"text":"Clara loved the unfriendly dragon's lighthouse 😀","words":[{"ids":[35,562],"tokens":["C","lara"]},{"ids":[599,359],"tokens":[" lo","ved"]},{"ids":[261],"tokens":[" the"]},{"ids":[335,78,70,318,436,418],"tokens":[" u","n","f","ri","end","ly"]},{"ids":[286,309,1523],"tokens":[" d","ra","gon"]},{"ids":[7,83],"tokens":["'","s"]},{"ids":[1013],"tokens":[" lighthouse"]},{"ids":[221,173,254,247,223],"tokens":[" ","<F0>","<9F>","<98>","<80>"]}]};
